// Runs whose bits were written down: whatever moves in the code above the engine, the same seeds and settings give the same tensors.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Device } from '../../src/backend/device.ts';
import { instructionSets, openDevice } from '../../src/backend/open.ts';
import { publishedGenotypes } from '../../src/genotype/published.ts';
import { startMethod } from '../../src/run/start.ts';
import { search } from '../../src/search.ts';
import { train } from '../../src/train.ts';
import { scratch } from '../helpers/scratch.ts';
import { tinyDataset, tinySettings } from '../helpers/tiny_search.ts';
import { tinyCorpus, tinyTextSettings } from '../helpers/tiny_text.ts';

const fused = ['fe2ba80b15cc140fe8430fc1', '4930ab0c1e9b6eb7433236c5', 'a2e9e4e2f1ce6089a8a56980'];

/** Of the runs below, by instruction set: without fused multiply-add sums round otherwise, and recurrent cells sum as wide as vectors are. */
const expected: Readonly<Record<string, readonly string[]>> = {
  avx512: [...fused, '033611aedd516c7ff8052e4d', 'd6fb3a7593a19db1ca21f2cf'],
  avx2: [...fused, '6000d459d684a9452cb37a3f', '52cdc7cf89248cf16e7b44be'],
  baseline: [
    '36b81a1bf36d366c49eab5f9',
    'ef59f85c65e73633e65eb475',
    '063b87e97eb7350ed194dca6',
    'dcacd7d4c3aee0a03e93a823',
    '228c19ff5e0f33f6510c4503',
  ],
};

const runs: Readonly<Record<string, (device: Device, out: string) => { readonly result: Promise<unknown> }>> = {
  'a search of first order': (device, out) =>
    search({ device, out, dataset: tinyDataset(), settings: tinySettings, seed: 3 }),
  'a search of second order': (device, out) =>
    search({
      device,
      out,
      dataset: tinyDataset(),
      settings: { ...tinySettings, unrolled: true, cutout: true, cutoutLength: 3 },
      seed: 4,
    }),
  'a training': (device, out) =>
    train({
      ...{ device, out, genotype: publishedGenotypes['DARTS_V2'], seed: 5 },
      dataset: { ...tinyDataset(), test: tinyDataset(2).train },
      settings: { ...tinySettings, auxiliary: false, dropPathProb: 0.2, labelSmooth: 0.1, mixup: 0.2, emaDecay: 0.9 },
    }),
  'a search of a recurrent cell': (device, out) =>
    startMethod('search', {
      ...{ device, out, method: 'darts-rnn', dataset: tinyCorpus(), seed: 6 },
      settings: { ...tinyTextSettings, smallBatchSize: 2, unrolled: true },
    }),
  'a training of a recurrent cell': (device, out) =>
    startMethod('train', {
      ...{ device, out, genotype: publishedGenotypes['DARTS_V2_RNN'], dataset: tinyCorpus(), seed: 7 },
      settings: { ...tinyTextSettings, epochs: 5, nonmono: 1, alpha: 0.5 },
    }),
};

/** Of what follows the header of a safetensors file, which tells names, sizes and progress. */
function digestOfTensors(file: string): string {
  const bytes = readFileSync(file);
  const header = Number(bytes.readBigUInt64LE(0));
  return createHash('sha256')
    .update(bytes.subarray(8 + header))
    .digest('hex')
    .slice(0, 24);
}

const offered = instructionSets();

describe.each(Object.keys(expected))('the bits with %s', (instructionSet) => {
  it.skipIf(!offered.includes(instructionSet)).each(Object.keys(runs).map((name, index) => [name, index] as const))(
    'of %s',
    async (name, index) => {
      using device = await openDevice({ backend: 'cpu', threads: 2, instructionSet });
      const out = join(scratch(), 'run');
      await runs[name](device, out).result;
      expect(digestOfTensors(join(out, 'checkpoint.safetensors'))).toBe(expected[instructionSet][index]);
    },
  );
});
