// The moments of a search that an animation shows, each for as long as nothing changes.
import { cellsOf, type Genotype } from '../genotype/genotype.ts';
import type { RunView, Series, StageView } from './run_view.ts';
import { valueText } from './values.ts';

/** A picture of an animation. */
export interface Frame {
  readonly genotype: Genotype;
  /** That of the frame before, where this one shows another. */
  readonly previous?: Genotype;
  /** Epochs that it stands for. */
  readonly epochs: number;
  /** Where it is, and the run's main score there: `epochs 3-7 of 50, validation accuracy 61.2%`. */
  readonly caption: string;
}

/** An epoch of a run with what it came to. */
interface Moment {
  readonly stage: StageView;
  /** Of the stage, from 1. */
  readonly epoch: number;
  readonly genotype: Genotype;
  /** The same for genotypes that look alike. */
  readonly look: string;
}

/**
 * A run's genotypes in their order, or those of one stage: an epoch that changes something is a frame, and so are all those behind it that
 * change nothing. Where there would be more than `most`, epochs are left out, evenly apart. Empty where there is no genotype.
 */
export function framesOf(view: RunView, stage: string | undefined, most: number): Frame[] {
  const stages = view.stages.filter(({ name }) => stage === undefined || name === stage);
  const moments = stages.flatMap((one) =>
    one.genotypes.map(({ epoch, genotype }) => ({
      epoch,
      genotype,
      stage: one,
      look: JSON.stringify(cellsOf(genotype)),
    })),
  );
  const { groups, every } = fewEnough(moments, most);
  const score = view.series.find(({ of, title }) => of === 'epoch' && title === view.score?.title);
  const isNamed = view.stages.length > 1;
  return groups.map((group, index) => {
    const before = groups[index - 1]?.[0];
    return {
      genotype: group[0].genotype,
      ...(before !== undefined && before.look !== group[0].look && { previous: before.genotype }),
      epochs: group.length * every,
      caption: captionOf(group, { score, isNamed, isWhole: every === 1 }),
    };
  });
}

/** Groups of moments that look alike, of every moment or of every second, third ...; the last is among them. */
function fewEnough(moments: readonly Moment[], most: number): { groups: Moment[][]; every: number } {
  let every = 1;
  let groups = groupsOf(moments);
  while (groups.length > most) {
    every = Math.max(every + 1, Math.ceil((every * groups.length) / most));
    groups = groupsOf(moments.filter((_, i) => (moments.length - 1 - i) % every === 0));
  }
  return { groups, every };
}

/** Moments that look alike, together. */
function groupsOf(moments: readonly Moment[]): Moment[][] {
  const groups: Moment[][] = [];
  // A change is emphasised for the epoch that made it alone.
  let isChange = true;
  for (const [index, moment] of moments.entries()) {
    const before = moments[index - 1];
    const isAlike = before !== undefined && before.stage === moment.stage && before.look === moment.look;
    if (isAlike && !isChange) groups.at(-1)!.push(moment);
    else groups.push([moment]);
    isChange = index > 0 && before.look !== moment.look;
  }
  return groups;
}

function captionOf(
  group: readonly Moment[],
  {
    score,
    isNamed,
    isWhole,
  }: { readonly score: Series | undefined; readonly isNamed: boolean; readonly isWhole: boolean },
): string {
  const [first, last] = [group[0], group[group.length - 1]];
  const { name, epochs, before } = last.stage;
  // What lies between may be another where epochs are left out.
  const which = first.epoch === last.epoch || !isWhole ? `epoch ${last.epoch}` : `epochs ${first.epoch}-${last.epoch}`;
  const place = [...(isNamed ? [name] : []), ...(epochs === 1 ? [] : [`${which} of ${epochs}`])];
  const at = score === undefined ? -1 : score.x.findLastIndex((x) => x <= before.epoch + last.epoch);
  const told = score === undefined || at < 0 ? [] : [`${score.title} ${valueText(score.y[at], score.unit)}`];
  return [...place, ...told].join(', ');
}

/** Each value with all that are before it. */
export function runningSums(values: readonly number[]): number[] {
  let sum = 0;
  return values.map((value) => {
    sum += value;
    return sum;
  });
}
