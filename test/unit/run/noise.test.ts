// Networks with operations of noise are trained, with drop path or without, and scored: every pass has something to draw from.
import { expect, it } from 'vitest';
import { train } from '../../../src/train.ts';
import { tinyDataset } from '../../helpers/tiny_search.ts';

const images = tinyDataset();
const dataset = { ...images, test: tinyDataset(2).train };
const edge = (operation: string, input: number) => ({ operation, input });
const cell = { nodes: [[edge('noise', 0), edge('sep_conv_3x3', 1)]], concat: [2] };
const genotype = { normal: cell, reduce: cell };

it.each([0, 0.3])('a genotype with noise is trained and scored, drop path %d', async (dropPathProb) => {
  const settings = { batchSize: 8, epochs: 2, initChannels: 2, layers: 3, auxiliary: false, dropPathProb };
  const runs = [1, 2].map(() => train({ dataset, genotype, settings, seed: 3, backend: 'cpu', threads: 1 }).result);
  const [{ testAccuracy, ...first }, second] = await Promise.all(runs);
  expect(testAccuracy).toBeGreaterThanOrEqual(0);
  expect(second).toMatchObject({ ...first, testAccuracy });
});
