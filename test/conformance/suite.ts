import { type Comparison, compareTensors } from './compare.ts';
import { hypergradientSubjects } from './hypergradients.ts';
import { nodeSubjects } from './nodes.ts';
import { networkSubjects } from './passes.ts';
import { type Place, pairsOf } from './places.ts';
import type { Subject, Tensors } from './subject.ts';
import { tenStepSubjects } from './ten_steps.ts';

/** A subject's outcome for every pair of places, in the order of `pairsOf`. */
export interface Result {
  readonly subject: Subject;
  readonly comparisons: readonly Comparison[];
}

/** All subjects; `quick` takes a few cases of each node's table. */
export function subjects(quick: boolean): Subject[] {
  return [
    ...nodeSubjects(quick ? 4 : undefined),
    ...networkSubjects(),
    ...hypergradientSubjects(),
    ...tenStepSubjects(),
  ];
}

/** Runs a subject on all places and compares every two, on as many draws as it takes until all agree. */
export async function runSubject(subject: Subject, places: readonly Place[]): Promise<Result> {
  let comparisons: Comparison[] = [];
  for (let draw = 0; draw < subject.draws; draw++) {
    const fresh = await runDraw(subject, places, draw);
    comparisons = fresh.map((comparison, pair) => better(comparisons[pair], comparison));
    if (comparisons.every(({ failures }) => failures.length === 0)) break;
  }
  return { subject, comparisons };
}

async function runDraw(subject: Subject, places: readonly Place[], draw: number): Promise<Comparison[]> {
  const { run, allowed } = subject.prepare(draw);
  const outcomes = new Map<Place, Tensors | Error>();
  for (const place of places) outcomes.set(place, await run(place.device).catch((error: Error) => error));
  return pairsOf(places).map(([a, b]) => {
    const [first, second] = [outcomes.get(a)!, outcomes.get(b)!];
    if (first instanceof Error) return broken(a, first);
    if (second instanceof Error) return broken(b, second);
    return compareTensors(first, second, allowed, [a.name, b.name]);
  });
}

function broken({ name }: Place, { message }: Error): Comparison {
  const share = Number.POSITIVE_INFINITY;
  return { forward: share, backward: share, failures: [`${name}: ${message.split('\n')[0]}`] };
}

function better(known: Comparison | undefined, fresh: Comparison): Comparison {
  return known !== undefined && known.failures.length === 0 ? known : fresh;
}
