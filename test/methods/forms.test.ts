// Settings that send a method's steps or images another way keep its promise too: stopped anywhere, it goes on to the same bytes.
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { openDevice } from '../../src/backend/open.ts';
import type { Dataset, ImageArrays } from '../../src/data/dataset.ts';
import { publishedGenotypes } from '../../src/genotype/published.ts';
import { startMethod } from '../../src/run/start.ts';
import { contentsOf } from '../helpers/run_contents.ts';
import { scratch } from '../helpers/scratch.ts';
import { tinyDataset, tinySettings } from '../helpers/tiny_search.ts';
import { tinyCorpus } from '../helpers/tiny_text.ts';

vi.mock('../../src/report/draw.ts', () => ({
  drawGenotype: async (genotype: unknown) => `<svg>${JSON.stringify(genotype)}</svg>`,
}));

/** The tiny dataset in colour. */
function coloured(): Dataset {
  const { train, ...rest } = tinyDataset();
  const images = Uint8Array.from(
    { length: 3 * train.images.length },
    (_, i) => train.images[Math.floor(i / 3)] ^ (i % 3),
  );
  const shape: ImageArrays['shape'] = [8, 8, 3];
  return { ...rest, train: { ...train, images, shape }, mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25] };
}

const dataset = coloured();
// A real one: images and noise must be the same too.
const device = await openDevice({ backend: 'cpu', threads: 2 });
afterAll(() => device.dispose());

const forms: Readonly<Record<string, { readonly method: string; readonly settings: object; readonly space?: string }>> =
  {
    'FairDARTS of one level': { method: 'fairdarts', settings: { singleLevel: true } },
    'FairDARTS with AutoAugment': { method: 'fairdarts', settings: { autoAug: true, cutout: true, cutoutLength: 3 } },
    'DARTS of second order with noise': { method: 'darts', settings: { unrolled: true, noiseDarts: true, maxStep: 2 } },
    'DARTS with a zero-one loss': { method: 'darts', settings: { auxLossWeight: 1, reweight: true } },
    'DARTS in NAS-Bench-201': { method: 'darts', settings: {}, space: 'nasbench201' },
    'a random search': { method: 'darts', settings: { randomSearch: true, numArch: 3, flopsThreshold: 0 } },
  };

/** Of texts: enough columns and channels that threads share every product. */
const wide = { emsize: 48, batchSize: 16, epochs: 1, bptt: 8 };
const corpus = tinyCorpus({ train: 700, valid: 320, test: 320 });

describe.each([
  ['a search of recurrent cells of first order', 'search', {}],
  ['of second order', 'search', { unrolled: true }],
  ['of second order in groups that add up', 'search', { unrolled: true, smallBatchSize: 8, addGroups: true }],
  ['a training over averaged SGD', 'train', { epochs: 8, nonmono: 1, lr: 30 }],
] as const)('%s', (_, command, settings) => {
  it('has the bits of one thread with two', async () => {
    const run = async (threads: number) => {
      using own = await openDevice({ backend: 'cpu', threads });
      const out = join(scratch(), 'run');
      const what = command === 'search' ? { method: 'darts-rnn' } : { genotype: publishedGenotypes['DARTS_V2_RNN'] };
      await startMethod(command, { ...what, dataset: corpus, device: own, out, settings: { ...wide, ...settings } })
        .result;
      const { 'journal.jsonl': journal, 'checkpoint.safetensors': checkpoint } = contentsOf(out);
      expect(journal.includes('averaged SGD from the next epoch on')).toBe(command === 'train');
      return checkpoint;
    };
    expect(await run(2)).toBe(await run(1));
  });
});

describe.each(Object.keys(forms))('%s', (name) => {
  const { method, settings, space } = forms[name];
  const start = (out: string, signal?: AbortSignal) =>
    startMethod('search', {
      ...{ method, space, settings: { ...tinySettings, epochs: 1, ...settings }, dataset, out, signal, workers: 1 },
      device,
    });
  const resume = (directory: string) =>
    startMethod('search', { resume: directory, dataset, workers: 2, device }).result;

  /** Stops a run at the `last`-th of its steps and genotypes. */
  async function stopped(out: string, last: number): Promise<void> {
    const controller = new AbortController();
    let seen = 0;
    const run = start(out, controller.signal);
    await expect(
      (async () => {
        for await (const { type } of run) {
          if ((type === 'step' || type === 'genotype') && ++seen === last) controller.abort();
        }
      })(),
    ).rejects.toMatchObject({ code: 'ABORTED' });
  }

  it('goes on to the same bytes', async () => {
    const whole = join(scratch(), 'run');
    await start(whole).result;
    const out = join(scratch(), 'run');
    await stopped(out, 2);
    await resume(out);
    expect(contentsOf(out)).toEqual(contentsOf(whole));
  });
});
