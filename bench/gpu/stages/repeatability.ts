import { type Arena, stateArenas } from '../../../src/backend/parameter_map.ts';
import { firstDifference } from '../compare.ts';
import type { Context } from '../context.ts';
import type { Check, StageOutcome } from '../outcome.ts';
import { openSearch, orders, type SteppedSearch } from '../search_steps.ts';

/**
 * One search step many times from the same state: the loss and all that a search keeps must have the same bits. The first run
 * goes kernel by kernel, the others as a recorded graph where the backend records.
 */
export async function checkRepeatability(context: Context): Promise<StageOutcome> {
  const { device, sizes, precisions, progress, keep } = context;
  const checks: Check[] = [];
  for (const precision of precisions) {
    for (const order of orders) {
      progress(`${order}, ${precision}`);
      using search = await openSearch(device, sizes.repeated, { precision });
      // A step before, so that momentum and Adam's moments are not zero.
      await search.step(order, 0);
      const start = await readState(search);
      let first: State | undefined;
      let note: string | undefined;
      for (let run = 0; run < sizes.repetitions && note === undefined; run++) {
        await writeState(search, start);
        const loss = await search.step(order, 1);
        const state = await readState(search);
        state.set('loss', Float32Array.of(loss));
        first ??= state;
        note = difference(state, first, run);
      }
      const finite = [...first!.values()].every((values) => values.every(Number.isFinite));
      checks.push({
        name: `${order}, ${precision}: ${sizes.repetitions} runs, the same bits`,
        passed: note === undefined && finite,
        note: note ?? (finite ? `graph of ${device.recordedKernels} kernels` : 'a number is not finite'),
      });
      keep({ checks });
    }
  }
  return { checks };
}

type State = Map<Arena | 'loss', Float32Array>;

async function readState({ parameters }: SteppedSearch): Promise<State> {
  const state: State = new Map();
  for (const arena of stateArenas) state.set(arena, await parameters.store.read(arena));
  return state;
}

async function writeState({ parameters }: SteppedSearch, state: State): Promise<void> {
  for (const arena of stateArenas) await parameters.store.write(arena, 0, state.get(arena)!);
}

function difference(state: State, first: State, run: number): string | undefined {
  for (const [name, values] of state) {
    const found = firstDifference(values, first.get(name)!);
    if (found !== undefined) return `${name} of run ${run + 1} beside run 1: ${found}`;
  }
  return undefined;
}
