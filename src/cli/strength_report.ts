// Strengths of candidates as lines for people.
import { edgeName } from '../genotype/edges.ts';
import type { Strength } from '../run/strength.ts';
import type { CandidateStrength, EdgeStrength } from '../run/strength_summary.ts';
import type { Coefficient } from '../statistics/rank_correlation.ts';
import { momentOf } from '../words.ts';
import { formatExact, formatTable } from './format.ts';

/** A row a candidate, and what all of them say of alpha. */
export function strengthLines(found: Strength): string[] {
  const { measure, stage, epoch, images, imagesOf, whole, edges } = found;
  const what = imagesOf === 'validation' ? 'validation images' : 'images that it learnt on';
  const isAbsence = measure === 'absence';
  const head = ['edge', 'candidate', 'alpha', 'weight', isAbsence ? 'without it' : 'alone', 'loss'];
  const rows = edges.flatMap((edge) => edge.candidates.map((one, index) => rowOf(found, edge, one, index)));
  return [
    `stage ${stage}, ${momentOf(epoch)}: ${formatExact(images)} ${what}, the whole supernet ${percent(whole.accuracy)}, loss ${whole.loss.toFixed(3)}`,
    '',
    ...formatTable([[...head, isAbsence ? 'costs' : 'epochs', ''], ...rows], [2, 3, 4, 5, 6]),
    '',
    ...summaryLines(found),
  ];
}

function rowOf(
  { measure, criterion }: Strength,
  edge: EdgeStrength,
  { candidate, alpha, mixing, accuracy, loss, strength, accuracies = [] }: CandidateStrength,
  index: number,
): string[] {
  const cost = criterion === 'acc' ? (100 * strength).toFixed(2) : strength.toFixed(3);
  return [
    index === 0 ? edgeName(edge) : '',
    candidate,
    alpha.toFixed(4),
    mixing.toFixed(4),
    percent(accuracy),
    loss.toFixed(3),
    measure === 'absence' ? cost.replace(/^-(?=[0.]+$)/, '') : String(accuracies.length - 1),
    markOf(edge, candidate),
  ];
}

function markOf({ largest, strongest }: EdgeStrength, candidate: string): string {
  const marks = [
    ...(candidate === largest ? ['largest weight'] : []),
    ...(candidate === strongest ? ['strongest'] : []),
  ];
  return marks.length === 0 ? '' : `<- ${marks.join(', ')}`;
}

function summaryLines({ measure, edges, spearman, withinEdges, disagreements, operations }: Strength): string[] {
  const { coefficient, interval } = spearman;
  const range = interval === null ? '' : ` (95%: ${interval.map((end) => end.toFixed(3)).join(' to ')})`;
  const rows = operations.map(({ cell, operation, largest, strongest }) => [
    cell,
    operation,
    String(largest),
    String(strongest),
  ]);
  const what = measure === 'absence' ? 'cost' : 'strength';
  return [
    `Spearman's rho of weight and ${what}: ${rhoText(coefficient)}${range}; within edges ${rhoText(withinEdges)} on average`,
    `the largest weight is not the strongest candidate on ${disagreements} of ${edges.length} edges`,
    '',
    ...formatTable([['cell', 'operation', 'largest weight on', 'strongest on'], ...rows], [2, 3]),
  ];
}

function rhoText(rho: Coefficient): string {
  return rho === null ? '-' : rho.toFixed(3);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)}%`;
}
