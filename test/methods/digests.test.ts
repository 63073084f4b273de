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

const fused = ['d969b9240fa955de62dd0966', 'd19f89b25f8be016290f6581', 'f44d808ab067fefa4d8324df'];

/** Of the runs below, by instruction set: without fused multiply-add sums round otherwise, and recurrent cells sum as wide as vectors are. */
const expected: Readonly<Record<string, readonly string[]>> = {
  avx512: [...fused, 'f30d1afccee010a8f56e5f6c', '61240d6d812f13f3f2a278fc'],
  avx2: [...fused, '0f6d8268d22a873b82630b97', '1577d52b4028b6865c4831a4'],
  baseline: [
    '08939fb61f557aadd6393bb4',
    '903a91352c9d75575a4c19b1',
    'e00400090b5b53a9d2826aea',
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
