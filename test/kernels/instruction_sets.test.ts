import { describe, expect, it } from 'vitest';
import { instructionSets, openDevice } from '../../src/backend/open.ts';
import { normal } from '../../src/random/philox.ts';
import { expectSameBits } from '../helpers/compare.ts';
import { deviceTensors, prepareCase } from '../helpers/kernel_case.ts';
import { tinySupernet } from '../helpers/tiny_supernet.ts';
import { caseTables, ops } from './cases.ts';

// The same sums in another order: float32 round-off, grown by the network's batch norms.
const relativeTolerance = 1e-5;
const batchSize = 8;

/** Loss and all gradients of one pass of the tiny supernet. */
async function gradients(instructionSet: string): Promise<Map<string, Float32Array>> {
  const device = await openDevice({ threads: 2, instructionSet });
  const graph = tinySupernet();
  const parameters = await device.createParameters(graph, { seed: 3 });
  const program = device.compile(graph, { batchSize, parameters });
  const stream = { seed: 3, purpose: 'weights', epoch: 1, step: 0 } as const;
  const images = Float32Array.from(normal(stream, batchSize * 8 * 8 * 3));
  const labels = Int32Array.from({ length: batchSize }, (_, i) => i % 5);
  const { loss } = await program.gradients({ batch: { inputs: { images }, labels }, target: 'both' });
  const results = new Map<string, Float32Array>([['loss', Float32Array.of(loss ?? Number.NaN)]]);
  for (const name of [...parameters.names('weight'), ...parameters.names('alpha')]) {
    results.set(name, (await parameters.gradient(name)).data);
  }
  device.dispose();
  return results;
}

describe('instruction sets', () => {
  const [best, ...others] = instructionSets();

  it.runIf(others.length > 0)(`agree: ${best} with ${others.join(', ')}`, async () => {
    const expected = await gradients(best);
    const magnitudes = [...expected.values()].flatMap((values) => [...values].map(Math.abs));
    const allowed = relativeTolerance * Math.max(...magnitudes);
    for (const other of others) {
      const actual = await gradients(other);
      for (const [name, values] of expected) {
        const worst = Math.max(...values.map((value, i) => Math.abs(value - actual.get(name)![i])));
        expect(worst, `${other}: ${name}`).toBeLessThanOrEqual(allowed);
      }
    }
  });

  // Recurrent cells and tied decoders sum as wide as vectors are.
  const fused = ['avx512', 'avx2'];
  const sameBits = ops.filter((op) => op !== 'recurrentCell' && op !== 'tiedLinear');

  it.runIf(fused.every((name) => instructionSets().includes(name)))(
    'give images the same bits: avx2 as avx512',
    async () => {
      using wide = await openDevice({ threads: 2, instructionSet: 'avx512' });
      using narrow = await openDevice({ threads: 2, instructionSet: 'avx2' });
      for (const op of sameBits) {
        for (const kernelCase of caseTables[op]) {
          const prepared = prepareCase(kernelCase);
          const expected = await deviceTensors(wide, prepared);
          for (const [tensor, values] of await deviceTensors(narrow, prepared)) {
            expectSameBits(values, expected.get(tensor)!, `${op} / ${kernelCase.name} / ${tensor}`);
          }
        }
      }
    },
  );
});
