// A search on the native device over a space that the library has never seen: operations built from primitive nodes, other
// candidates on every edge, sigmoid mixing, and images that only one of the operations can tell apart.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import type { Genotype } from '../../src/genotype/genotype.ts';
import type { SearchSettings } from '../../src/methods/darts/settings.ts';
import { buildSupernet } from '../../src/network/supernet.ts';
import type { Operation } from '../../src/operation/operations.ts';
import { normal, uniform } from '../../src/random/philox.ts';
import type { SearchEvent } from '../../src/run/events.ts';
import { type SearchRun, search } from '../../src/search.ts';
import type { Candidate, EdgePlace, SearchSpace } from '../../src/space/space.ts';
import { byType } from '../helpers/by_type.ts';
import { scratch } from '../helpers/scratch.ts';

const cells = ['normal', 'reduce'] as const;

/** 1x3, then 3x1, both in two groups, with a learned scale a channel between them, then 1x1 across the groups. */
const bottleneck: Operation = (builder, input, { channels, stride, affine }) => {
  const grouped = { channels, groups: 2 };
  const across = { ...grouped, kernel: [1, 3], padding: [0, 1], stride: [1, stride] } as const;
  const down = { ...grouped, kernel: [3, 1], padding: [1, 0], stride: [stride, 1] } as const;
  const row = builder.conv2d('row', builder.relu(input), across);
  const gated = builder.relu(builder.batchNorm('gate', row, { affine: true }));
  const joined = builder.conv2d('expand', builder.conv2d('column', gated, down), { channels, kernel: 1 });
  return builder.batchNorm('bn', joined, { affine });
};

const blur: Operation = (builder, input, { stride }) =>
  builder.batchNorm('bn', builder.avgPool(input, { kernel: 5, stride, padding: 2 }), { affine: false });

/** A known operation beside own ones, and rows of 2, 3 and 4. */
function candidates({ cell, input }: EdgePlace): Candidate[] {
  const own = { name: 'bottleneck_1x3_3x1', build: bottleneck };
  const pool = { name: 'blur_5x5', build: blur };
  if (input < 2) return ['none', pool, own];
  return cell === 'normal' ? [own, 'skip_connect'] : ['max_pool_3x3', pool, own, 'none'];
}

const space: SearchSpace = { name: 'asymmetric', nodes: 3, candidates, activation: 'sigmoid' };
const namesOn = (edge: EdgePlace) => candidates(edge).map((one) => (typeof one === 'string' ? one : one.name));

/** Every edge of a cell, in the order of the rows of its architecture parameters. */
const edgesOf = (cell: EdgePlace['cell']): EdgePlace[] =>
  [0, 1, 2].flatMap((node) => Array.from({ length: node + 2 }, (_, input) => ({ cell, node, input })));

/** Pairs of dots four pixels apart, side by side or one above the other: the class, which no blur and no maximum shows. */
function pairsOfDots(count: number): Dataset {
  const [size, distance] = [12, 4];
  const labels = Int32Array.from({ length: count }, (_, i) => i % 2);
  const images = new Uint8Array(count * size * size);
  labels.forEach((label, i) => {
    const image = images.subarray(i * size * size, (i + 1) * size * size);
    const draws = uniform({ seed: 5, purpose: 'split', epoch: 0, step: i }, image.length + 8);
    image.set(draws.slice(8).map((u) => 40 * u));
    for (let pair = 0; pair < 4; pair++) {
      const free = Math.floor(draws[2 * pair] * size);
      const bound = Math.floor(draws[2 * pair + 1] * (size - distance));
      const first = label === 0 ? free * size + bound : bound * size + free;
      image[first] = 255;
      image[first + distance * (label === 0 ? 1 : size)] = 255;
    }
  });
  return {
    name: 'pairs',
    train: { images, labels, shape: [size, size, 1] },
    classes: 2,
    classNames: ['beside', 'above'],
    mean: [0.15],
    deviation: [0.25],
    augmentation: { pad: 1, flip: true },
    notices: [],
  };
}

const settings: Partial<SearchSettings> = {
  batchSize: 32,
  epochs: 6,
  initChannels: 4,
  layers: 3,
  learningRate: 0.1,
  archLearningRate: 0.03,
};

async function eventsOf(run: SearchRun): Promise<SearchEvent[]> {
  const events: SearchEvent[] = [];
  for await (const event of run) events.push(event);
  return events;
}

/** Mean mixing weight of each candidate over the edges that offer it. */
function meanWeights(mixing: Readonly<Record<string, readonly (readonly number[])[]>>): Record<string, number> {
  const weights: Record<string, number[]> = {};
  for (const cell of cells) {
    edgesOf(cell).forEach((edge, row) => {
      namesOn(edge).forEach((name, k) => {
        weights[name] = [...(weights[name] ?? []), mixing[`alphas_${cell}`][row][k]];
      });
    });
  }
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return Object.fromEntries(Object.entries(weights).map(([name, values]) => [name, mean(values)]));
}

function expectOffered(genotype: Genotype): void {
  for (const cell of cells) {
    byType(genotype)[cell].nodes.forEach((edges, node) => {
      expect(new Set(edges.map(({ input }) => input)).size).toBe(2);
      for (const { operation, input } of edges) {
        expect(namesOn({ cell, node, input }).filter((name) => name !== 'none')).toContain(operation);
      }
    });
  }
}

let device: Device;
beforeAll(async () => {
  device = await openDevice({ threads: 2 });
});
afterAll(() => device.dispose());

describe('a space of one’s own', () => {
  it('learns, prefers the operation that helps, and gives a genotype of offered names', async () => {
    const run = search({ dataset: pairsOfDots(512), space, settings, seed: 1, device });
    const events = await eventsOf(run);
    const { genotype, mixing, validationAccuracy } = await run.result;
    expect(events[0]).toMatchObject({ type: 'start', space: 'asymmetric', dataset: 'pairs', imageShape: [12, 12, 1] });
    const losses = events.filter((event) => event.type === 'epoch').map(({ trainLoss }) => trainLoss);
    expect(losses).toHaveLength(6);
    expect(losses[5]).toBeLessThan(losses[0] / 3);
    expect(validationAccuracy).toBeGreaterThan(0.85);
    const { bottleneck_1x3_3x1: helpful, blur_5x5: blurred, max_pool_3x3: largest } = meanWeights(mixing);
    expect(helpful).toBeGreaterThan(blurred + 0.02);
    expect(helpful).toBeGreaterThan(largest + 0.05);
    for (const event of events) if (event.type === 'genotype') expectOffered(event.genotype);
    expectOffered(genotype);
  });

  it('has a gradient for every candidate of every row but none', async () => {
    const shape = { inputShape: [12, 12, 1], classes: 2, initChannels: 4, layers: 3 } as const;
    const { graph, tables } = buildSupernet({ space, ...shape });
    using parameters = await device.createParameters(graph, { seed: 1 });
    using program = device.compile(graph, { batchSize: 8, parameters });
    const images = Float32Array.from(normal({ seed: 2, purpose: 'split', epoch: 0, step: 0 }, 8 * 144));
    const labels = Int32Array.from({ length: 8 }, (_, i) => i % 2);
    await program.gradients({ batch: { inputs: { images }, labels }, target: 'alpha' });
    for (const cell of cells) {
      const { data } = await parameters.gradient(tables[cell].name);
      const names = edgesOf(cell).flatMap(namesOn);
      expect(data).toHaveLength(names.length);
      names.forEach((name, i) => {
        expect(data[i] === 0, `${tables[cell].name}[${i}], ${name}`).toBe(name === 'none');
      });
    }
  });

  it('goes on after an interruption to the same bits, whatever the threads', async () => {
    const short = { ...settings, epochs: 2 };
    const whole = join(scratch(), 'whole');
    const parts = join(scratch(), 'parts');
    await search({ dataset: pairsOfDots(192), space, settings: short, out: whole, device }).result;

    const controller = new AbortController();
    const { signal } = controller;
    const run = search({ dataset: pairsOfDots(192), space, settings: short, out: parts, device, signal });
    const interrupted = (async () => {
      for await (const event of run) if (event.type === 'step' && event.epoch === 1) controller.abort();
    })();
    await expect(interrupted).rejects.toMatchObject({ code: 'ABORTED' });
    const resumed = search({ resume: parts, dataset: pairsOfDots(192), space, backend: 'cpu', threads: 1 });
    const [first] = await eventsOf(resumed);
    // The step that runs while the signal comes is finished.
    expect(first).toMatchObject({ type: 'start', resumed: { epoch: 1, step: expect.toBeOneOf([1, 2]) } });
    for (const name of ['checkpoint.safetensors', 'genotype.json']) {
      expect(readFileSync(join(parts, name)).equals(readFileSync(join(whole, name))), name).toBe(true);
    }
  });
});
