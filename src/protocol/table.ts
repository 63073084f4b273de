// The table of a protocol: what each arm comes to over all seeds, with what so few seeds leave open. Plain numbers.
import { type PairedTest, pairedTest } from '../statistics/paired.ts';
import { type Sample, sampleOf } from '../statistics/sample.ts';

/** What is compared. */
export interface ProtocolMeasure {
  /** Among the scores of results, or of a benchmark's table. */
  readonly name: string;
  /** For people: `test accuracy`. */
  readonly title: string;
  /** A share is from 0 to 1. */
  readonly unit: 'share' | 'percent' | 'perplexity' | 'loss' | 'rate';
  readonly better: 'higher' | 'lower';
}

/** An arm with its scores, those of one seed at the same place in every arm; null where there is none. */
export interface MeasuredArm {
  readonly name: string;
  readonly kind: 'search' | 'selection' | 'random';
  /** Name of the arm that it is held against. */
  readonly baseline?: string;
  readonly scores: readonly (number | null)[];
  /** Of the brief training, on images to validate on: which one would be kept. */
  readonly briefs?: readonly (number | null)[];
  /** Of random architectures: all that the space has, as a benchmark knows them. */
  readonly whole?: { readonly n: number; readonly mean: number; readonly deviation: number };
}

/** A row: an arm over its seeds. */
export interface ProtocolRow extends Sample {
  readonly arm: string;
  /** `picked`: of each group of seeds the one that validated best. `whole`: every architecture of the space, counted rather than drawn. */
  readonly kind: MeasuredArm['kind'] | 'picked' | 'whole';
  /** Seeds, or groups of them, that came to nothing: they are not in `n`. */
  readonly failed: number;
  readonly scores: readonly (number | null)[];
  /** Of `picked`: the seeds that were kept, one a group. */
  readonly kept?: readonly (number | null)[];
  /** Differences to another row, seed by seed. */
  readonly against?: { readonly arm: string } & PairedTest;
  /** Differences to the mean over the whole space, which is no sample. */
  readonly againstWhole?: { readonly arm: string } & PairedTest;
}

/** What a protocol found of a measure. */
export interface ProtocolTable {
  readonly measure: ProtocolMeasure;
  readonly rows: readonly ProtocolRow[];
}

/** The table of some arms; of each `among` seeds that follow one another one is kept, where that is told. */
export function protocolTable(
  measure: ProtocolMeasure,
  arms: readonly MeasuredArm[],
  seeds: readonly number[],
  among?: number,
): ProtocolTable {
  const picked = among === undefined ? [] : arms.map((arm) => pickedArm(arm, measure, seeds, among));
  const wholes = arms.flatMap((arm) => (arm.whole === undefined ? [] : [wholeRow(arm.name, arm.whole)]));
  return {
    measure,
    rows: [
      ...arms.map((arm) => rowOf(arm, arm.kind, arms)),
      ...wholes,
      ...picked.map((arm) => ({ ...rowOf(arm, 'picked', picked), kept: arm.kept })),
    ],
  };
}

/** What people call the row of a whole space. */
export function wholeName(arm: string): string {
  return `${arm}, all there are`;
}

function rowOf(arm: MeasuredArm, kind: ProtocolRow['kind'], arms: readonly MeasuredArm[]): ProtocolRow {
  const known = arm.scores.filter((score) => score !== null);
  const baseline = arms.find(({ name }) => name === arm.baseline);
  const whole = baseline?.whole;
  return {
    ...{ arm: arm.name, kind, ...sampleOf(known), failed: arm.scores.length - known.length, scores: arm.scores },
    ...(baseline && { against: { arm: baseline.name, ...pairedTest(differences(arm, baseline)) } }),
    ...(baseline &&
      whole && {
        againstWhole: { arm: wholeName(baseline.name), ...pairedTest(known.map((score) => score - whole.mean)) },
      }),
  };
}

/** Where both have a score. */
function differences({ scores }: MeasuredArm, baseline: MeasuredArm): number[] {
  return scores.flatMap((score, index) => {
    const other = baseline.scores[index];
    return score === null || other === null ? [] : [score - other];
  });
}

function wholeRow(arm: string, { n, mean, deviation }: NonNullable<MeasuredArm['whole']>): ProtocolRow {
  return { arm: wholeName(arm), kind: 'whole', n, mean, deviation, interval: null, failed: 0, scores: [] };
}

/** An arm of what is kept: chosen by the brief trainings alone, scored by the whole ones. */
function pickedArm(
  { name, baseline, scores, briefs = [], kind }: MeasuredArm,
  measure: ProtocolMeasure,
  seeds: readonly number[],
  among: number,
): MeasuredArm & { readonly kept: readonly (number | null)[] } {
  const groups = Array.from({ length: Math.ceil(seeds.length / among) }, (_, group) =>
    bestOf(briefs, measure, group * among, Math.min(seeds.length, (group + 1) * among)),
  );
  return {
    ...{ name: pickedName(name), kind, ...(baseline && { baseline: pickedName(baseline) }) },
    scores: groups.map((place) => (place === undefined ? null : scores[place])),
    kept: groups.map((place) => (place === undefined ? null : seeds[place])),
  };
}

function pickedName(name: string): string {
  return `picked of ${name}`;
}

/** The place of the best from one place to before another; of equals the first. */
function bestOf(
  briefs: readonly (number | null)[],
  { better }: ProtocolMeasure,
  start: number,
  end: number,
): number | undefined {
  let best: number | undefined;
  const isBetter = (a: number, b: number) => (better === 'higher' ? a > b : a < b);
  for (let place = start; place < end; place++) {
    const brief = briefs[place] ?? null;
    if (brief === null) continue;
    if (best === undefined || isBetter(brief, briefs[best]!)) best = place;
  }
  return best;
}
