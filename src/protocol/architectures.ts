// How an arm comes by its architecture with a seed: it searches, selects, or draws.
import { withoutDeadNodes } from '../genotype/dead_nodes.ts';
import { cellName, emptyCells, type Genotype } from '../genotype/genotype.ts';
import type { SearchResult } from '../run/events.ts';
import { drawnGenotype } from './drawn.ts';
import type { Failure } from './failures.ts';
import { isFailure } from './failures.ts';
import { isSelection, type ProtocolOptions, type SelectionArm } from './options.ts';
import { type PlannedArm, searchOptions, withoutUndefined } from './plan.ts';
import type { ProtocolRuns } from './runs.ts';

/** What an arm found. */
export interface Architecture {
  readonly genotype: Genotype;
  /** The run that tells of its space. */
  readonly foundIn: string;
}

/** The architecture of an arm with a seed, or why there is none. Rejects with what stopped its run. */
export async function architectureOf(
  planned: PlannedArm,
  seed: number,
  options: ProtocolOptions,
  runs: ProtocolRuns,
): Promise<Architecture | Failure> {
  if (planned.kind === 'random') {
    const foundIn = runs.folder(planned.like, seed, 'search');
    return { genotype: await drawnGenotype(foundIn, seed, planned.membersOf), foundIn };
  }
  const { arm, name } = planned;
  if (isSelection(arm)) return selectedBy(arm, seed, options, runs);
  const place = { arm: name, seed, part: 'search' } as const;
  const searched = await runs.finish<SearchResult>(place, {
    command: 'search',
    options: { ...searchOptions(arm, options), seed },
  });
  return isFailure(searched) ? searched : trainable(searched, runs.folder(name, seed, 'search'), 'search');
}

async function selectedBy(
  { name, of, by, preset, settings }: SelectionArm,
  seed: number,
  { dataset, dataDir }: ProtocolOptions,
  runs: ProtocolRuns,
): Promise<Architecture | Failure> {
  const run = runs.folder(of, seed, 'search');
  const before = await runs.failed(of, seed, 'search');
  if (before !== undefined) {
    runs.pass(1);
    return { part: 'select', reason: `the search of ${of} came to nothing` };
  }
  const own = { method: by, preset, settings, run, seed, dataDir };
  const given = typeof dataset === 'object' ? { dataset } : {};
  const selected = await runs.finish<SearchResult>(
    { arm: name, seed, part: 'select' },
    { command: 'select', options: withoutUndefined({ ...own, ...given }) },
  );
  return isFailure(selected) ? selected : trainable(selected, runs.folder(name, seed, 'select'), 'select');
}

/** Without nodes that nothing leads to, as `train --drop-dead-nodes` has it; a cell may be left without any. */
function trainable({ genotype }: SearchResult, foundIn: string, part: string): Architecture | Failure {
  const live = withoutDeadNodes(genotype);
  const [empty] = emptyCells(live);
  if (empty === undefined) return { genotype: live, foundIn };
  return { part, reason: `the ${cellName(empty)} is left without an entry, so that there is no network to train` };
}
