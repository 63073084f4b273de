// Checkpoints of FairDARTS' trainer (arXiv:1911.12126): dicts of torch.save before PyTorch 1.6 whatever their ending says, of which the
// state dict alone is read, strictly. fixtures/torch/make_fairdarts.py made this one with PyTorch.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openDevice } from '../../src/backend/open.ts';
import { FileError } from '../../src/errors.ts';
import { exportNetwork } from '../../src/exchange/export.ts';
import { readWeights } from '../../src/exchange/weights.ts';
import { genotypes } from '../../src/genotype/published.ts';
import { buildDerivedNetwork } from '../../src/network/derived.ts';
import { root } from '../helpers/process.ts';
import { scratch } from '../helpers/scratch.ts';

const fixtures = join(root, 'test/fixtures/torch');
const bytes = gunzipSync(readFileSync(join(fixtures, 'fairdarts.gz')));
const expected = JSON.parse(readFileSync(join(fixtures, 'fairdarts.json'), 'utf8')) as number[][];
const genotype = genotypes['FairDARTS_b'];
const sizes = { genotype, inputShape: [32, 32, 3], classes: 10, initChannels: 2, layers: 4 } as const;

function saved(content: Uint8Array): string {
  const path = join(scratch(), 'FairDARTS-b.tar');
  writeFileSync(path, content);
  return path;
}

/** Two images of [32, 32, 3], as the fixture's script has them in PyTorch's order. */
const images = Float32Array.from({ length: 2 * 3072 }, (_, i) => {
  const [sample, pixel, channel] = [Math.floor(i / 3072), Math.floor((i % 3072) / 3), i % 3];
  return ((7 * ((sample * 3 + channel) * 1024 + pixel)) % 256) / 128 - 1;
});

describe("a checkpoint of FairDARTS' trainer", () => {
  it('gives PyTorch’s logits', async () => {
    const path = saved(bytes);
    const { tensors, notices } = await readWeights(path);
    expect(notices).toEqual([]);
    using device = await openDevice({ backend: 'cpu', threads: 1 });
    const trained = buildDerivedNetwork({ ...sizes, auxiliaryWeight: 0.4 });
    using parameters = await device.createParameters(trained.graph, { seed: 0 });
    await parameters.assign(tensors, path);
    const plain = buildDerivedNetwork(sizes);
    using program = device.compile(plain.graph, { batchSize: 2, parameters });
    const batch = { inputs: { images }, labels: new Int32Array(2) };
    const { outputs } = await program.evaluate({ batch, statistics: 'running', read: [plain.logits] });
    const largest = Math.max(...expected.flat().map(Math.abs));
    outputs!.get(plain.logits)!.forEach((value, i) => {
      expect(Math.abs(value - expected.flat()[i]), `logit ${i}`).toBeLessThan(1e-5 * largest);
    });
  });

  it('is imported with its auxiliary head, without what a counter of cost left in it', async () => {
    const imported = await exportNetwork({ weights: saved(bytes), genotype, format: 'safetensors' });
    expect(imported).toMatchObject({ initChannels: 2, layers: 4, classes: 10, auxiliary: true, notices: [] });
    const { tensors } = await readWeights(saved(imported.bytes));
    expect(tensors.get('auxiliary_head.classifier.weight')?.shape).toEqual([10, 768]);
    expect(tensors.get('cells.3._ops.4.1.0.op.7.running_var')?.shape).toEqual([8]);
    expect([...tensors.keys()].filter((name) => name.includes('total_'))).toEqual([]);
  });

  it('is refused by another genotype, by names', async () => {
    const path = saved(bytes);
    for (const other of ['FairDARTS_a', 'DARTS_V2']) {
      const exported = exportNetwork({ weights: path, genotype: genotypes[other], format: 'pt' });
      await expect(exported).rejects.toThrow(
        /does not fit these parameters: missing cells\.0\._ops.*unexpected cells\.0/,
      );
    }
  });

  it('is refused where it was cut off, by its name', async () => {
    for (const share of [0, 0.0001, 0.01, 0.1, 0.5, 0.999]) {
      const path = saved(bytes.subarray(0, Math.floor(share * bytes.length)));
      const read = readWeights(path);
      await expect(read).rejects.toThrow(FileError);
      await expect(read).rejects.toThrow(path);
    }
  });
});
