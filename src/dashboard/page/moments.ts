// The moments of a search that something is told of, through all of its stages.
import type { Genotype } from '../../genotype/genotype.ts';
import type { StageView } from '../../report/run_view.ts';
import { momentText } from './words.ts';

/** Something that a stage had come to. */
export interface Moment {
  readonly stage: number;
  /** Epochs that the stage had behind it. */
  readonly epoch: number;
}

/** All of them, in their order. */
export function momentsOf(stages: readonly StageView[]): readonly Moment[] {
  return stages.flatMap(({ genotypes, history }, stage) => {
    const told = [...genotypes, ...(history?.entries ?? [])].map(({ epoch }) => epoch);
    return [...new Set(told)].sort((a, b) => a - b).map((epoch) => ({ stage, epoch }));
  });
}

/** The last moment that is no later than another; the last of all where there is no other. */
export function lastUpTo(moments: readonly Moment[], at: Moment | undefined): number {
  if (at === undefined) return moments.length - 1;
  const isUpTo = ({ stage, epoch }: Moment) => stage < at.stage || (stage === at.stage && epoch <= at.epoch);
  return Math.max(0, moments.findLastIndex(isUpTo));
}

/** A genotype, and when it was told. */
export interface ToldGenotype extends Moment {
  readonly genotype: Genotype;
}

/** Those of all stages, in their order. */
export function genotypesOf(stages: readonly StageView[]): readonly ToldGenotype[] {
  return stages.flatMap(({ genotypes }, stage) => genotypes.map((told) => ({ stage, ...told })));
}

/** For people; the stage is named where there are several. */
export function tellMoment(stages: readonly StageView[], { stage, epoch }: Moment): string {
  return stages.length > 1 ? `${stages[stage].name}: ${momentText(epoch)}` : momentText(epoch);
}
