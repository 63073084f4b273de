// The goldens of CDARTS among themselves: what their files, their decisions and their first values say of each other.
import { describe, expect, it } from 'vitest';
import type { TorchTensor } from '../../bench/peers/tensor_file.ts';
import { cdartsForms, cdartsSettings, cdartsWeight, checksums, decisionFiles } from './cdarts_goldens.ts';
import { readGolden } from './goldens.ts';

const edges = [0, 1, 2, 3].flatMap((node) => Array.from({ length: 2 + node }, (_, state) => ({ node, state })));
const cellTypes = ['normal', 'reduce'] as const;
const keys = cellTypes.flatMap((type) => edges.map(({ node, state }) => `${type}_n${node + 2}_p${state}`));
const kernels = [undefined, undefined, undefined, 3, 5, 3, 5];

describe.each(Object.keys(cdartsForms) as (keyof typeof cdartsForms)[])('%s', (golden) => {
  const { exact } = readGolden(golden);
  const decisions = Array.from({ length: cdartsSettings.epochs }, (_, epoch) => {
    const kept = exact.get('decision')!.data.slice(epoch * keys.length, (epoch + 1) * keys.length);
    return new Map(keys.map((key, row) => [key, kept[row]]));
  });

  it('has the file of every decision', () => {
    const files = decisionFiles(golden);
    expect(files.size).toBe(2 * cdartsSettings.epochs);
    for (const [epoch, decision] of decisions.entries()) {
      const masks = JSON.parse(files.get(`epoch_0${epoch}.json`)!) as Record<string, boolean[]>;
      expect(keys.map((key) => masks[key].indexOf(true))).toEqual([...decision.values()]);
      const inputs = (type: string) =>
        [2, 3, 4, 5].map((node) => masks[`${type}_n${node}_switch`].flatMap((kept, state) => (kept ? [state] : [])));
      const [, normal, reduce] = /normal=(.*), normal_concat.*reduce=(.*), reduce_concat/.exec(
        files.get(`epoch_0${epoch}.genotypes`)!,
      )!;
      for (const [type, text] of Object.entries({ normal, reduce })) {
        expect(text.match(/\d(?=\))/g)!.map(Number)).toEqual(inputs(type).flat());
        expect(inputs(type).every(({ length }) => length === 2)).toBe(true);
      }
    }
  });

  it('decides anew, so that candidates come and go', () => {
    const [, before, last] = decisions;
    expect([...before].some(([key, index]) => index >= 3 && last.get(key) !== index)).toBe(true);
  });

  it('leaves candidates that never ran as they began', () => {
    // Of the evaluation network's first cell, whose decisions are those of the epochs before the last.
    const ran = new Set(decisions.slice(0, -1).flatMap((decision) => [...decision].map((entry) => entry.join())));
    const first = new Map<string, TorchTensor>();
    const runs = new Map<string, boolean>();
    for (const { node, state } of edges) {
      for (const [index, kernel] of kernels.entries()) {
        if (kernel === undefined) continue;
        const start = `E.cells.0.mutable_ops.${node}.ops.${state}.${index}`;
        const halves = index < 5 ? ['net.0.net', 'net.1.net'] : ['net'];
        for (const half of halves) {
          for (const [place, shape] of [
            [2, 1, kernel, kernel],
            [2, 2, 1, 1],
          ].entries()) {
            const name = `${start}.${half}.${place + 1}.weight`;
            first.set(name, cdartsWeight(name, shape));
            runs.set(name, ran.has(`normal_n${node + 2}_p${state},${index}`));
          }
        }
      }
    }
    for (const input of [0, 1]) {
      const name = `E.cells.0.preproc${input}.net.1.weight`;
      first.set(name, cdartsWeight(name, [2, 2, 1, 1]));
      runs.set(name, true);
    }
    const began = checksums('weight', first).get('weight.E.cells.0')!.data;
    const ended = exact.get('weight.E.cells.0')!.data;
    expect(ended.length).toBe(began.length);
    const moved = [...first.keys()].sort().filter((_, i) => Math.abs(ended[i] - began[i]) > 1e-12);
    expect(moved).toEqual([...runs.keys()].sort().filter((name) => runs.get(name)));
  });
});
