// What the authors' code of CDARTS has of its own: networks built anew for each decision, one clip for all gradients.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Device, DeviceDataset, GatheredBatch, GradientsCommand } from '../../../src/backend/device.ts';
import { openDevice } from '../../../src/backend/open.ts';
import type { Parameters } from '../../../src/backend/parameters.ts';
import { splitClasses } from '../../../src/data/split.ts';
import type { Genotype } from '../../../src/genotype/genotype.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { Cycle, isOf } from '../../../src/methods/cdarts/cycle.ts';
import { CandidatePool } from '../../../src/methods/cdarts/pool.ts';
import { regularisedEntries } from '../../../src/methods/cdarts/regularised.ts';
import { cdartsPresets } from '../../../src/methods/cdarts/settings.ts';
import { buildCyclicNetworks, candidateGroup } from '../../../src/network/cyclic.ts';
import { uniform } from '../../../src/random/philox.ts';
import { expectClose, expectSameBits } from '../../helpers/compare.ts';

const decision = genotypes['CDARTS_CIFAR'];
const networks = buildCyclicNetworks({
  ...{ inputShape: [12, 12, 3], classes: 3, initChannels: 2, layers: 3, evaluationLayers: 3 },
  ...{ nodes: 'mean', ensemble: 'shared', stemMultiplier: 3 },
});
const { search } = networks;

let device: Device;
let parameters: Parameters;
let dataset: DeviceDataset;

beforeEach(async () => {
  device = await openDevice({ backend: 'cpu', threads: 1 });
  parameters = await newParameters(1);
  const images = Uint8Array.from(uniform({ seed: 1, purpose: 'split', epoch: 0, step: 0 }, 8 * 432), (u) => 256 * u);
  dataset = await device.createDataset({ images, labels: Int32Array.of(0, 1, 2, 0, 1, 2, 0, 1), shape: [12, 12, 3] });
});

afterEach(() => {
  for (const each of [dataset, parameters, device]) each.dispose();
});

function newParameters(seed: number): Promise<Parameters> {
  return device.createParameters([search.graph, networks.layout], { seed, secondMoments: true });
}

function batch(...indices: number[]): GatheredBatch {
  const augmentation = { mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25], pad: 0, flip: false, cutout: 0 };
  return { dataset, indices: Uint32Array.from(indices), augmentation };
}

/** Of weights in some group. */
function namesIn(isWanted: (group: string) => boolean): string[] {
  return [...parameters.map.places].flatMap(([name, { spec }]) =>
    spec.role === 'weight' && isWanted(spec.group ?? '') ? [name] : [],
  );
}

const valuesOf = async (name: string) => (await parameters.get(name)).data;

describe('an evaluation network built anew', () => {
  const sep = { row: 0, candidate: 3 };
  const other: Genotype = {
    ...decision,
    normal: {
      ...decision.normal!,
      nodes: decision.normal!.nodes.map((edges, node) =>
        node === 0 ? edges.map((edge) => ({ ...edge, operation: 'max_pool_3x3' })) : edges,
      ),
    },
  };
  /** The last node of the normal cell: its first edge an identity, its second one with weights. */
  const behindIdentity: Genotype = {
    ...decision,
    normal: {
      ...decision.normal!,
      nodes: decision.normal!.nodes.map((edges, node) =>
        node === 3
          ? [
              { operation: 'skip_connect', input: 0 },
              { operation: 'sep_conv_3x3', input: 1 },
            ]
          : edges,
      ),
    },
  };
  const poolOf = (copyPastSkips: boolean) => CandidatePool.of(device, { networks, parameters, seed: 5, copyPastSkips });
  const mark = async (names: readonly string[], value: number) => {
    for (const name of names) await parameters.set(name, (await valuesOf(name)).fill(value));
  };

  it('has what was chosen as it was left, and all else as drawn', async () => {
    using pool = await poolOf(true);
    const chosen = namesIn((group) => group === candidateGroup('normal', sep.row, sep.candidate));
    const shared = await valuesOf('search.stem.0.weight');
    await pool.renew(null, decision, 1);
    await mark(chosen, 7);
    const preprocessing = await valuesOf('evaluation.cells.0.preproc0.net.1.weight');
    await parameters.set('evaluation.cells.0.preproc0.net.2.running_mean', Float32Array.of(3, 3));
    // Not chosen for a while, and then again.
    await pool.renew(decision, other, 2);
    expect(new Set(await valuesOf(chosen[0]))).not.toEqual(new Set([7]));
    await pool.renew(other, decision, 3);
    for (const name of chosen) expect(new Set(await valuesOf(name)), name).toEqual(new Set([7]));
    expect(await valuesOf('evaluation.cells.0.preproc0.net.1.weight')).not.toEqual(preprocessing);
    expect(await valuesOf('evaluation.cells.0.preproc0.net.2.running_mean')).toEqual(Float32Array.of(0, 0));
    expectSameBits(await valuesOf('search.stem.0.weight'), shared, 'the shared stem');
  });

  it.each([
    [true, true],
    [false, false],
  ])('copies what is behind an identity: %s', async (copyPastSkips, isCarried) => {
    using pool = await poolOf(copyPastSkips);
    // Of the last node's edges the rows are 9 to 13.
    const behind = namesIn((group) => group === candidateGroup('normal', 10, 3));
    await pool.renew(null, behindIdentity, 1);
    await mark(behind, 7);
    await pool.renew(behindIdentity, behindIdentity, 2);
    expect(new Set(await valuesOf(behind[0])).has(7)).toBe(isCarried);
    // What ran there did not go back either: a decision whose copying reaches it finds what the pool began with.
    const reached = { ...behindIdentity, normal: { ...behindIdentity.normal!, nodes: swapped(behindIdentity) } };
    await pool.renew(behindIdentity, reached, 3);
    expect(new Set(await valuesOf(behind[0])).has(7)).toBe(isCarried);
  });

  function swapped({ normal }: Genotype) {
    return normal!.nodes.map((edges, node) => (node === 3 ? edges.toReversed() : edges));
  }
});

describe('one clip for all', () => {
  it('counts gradients of both networks and of alpha, stale ones of the search network included', async () => {
    const settings = {
      ...cdartsPresets['cdarts-authors'].settings,
      ...{ gradClip: 0.5, wLr: 0.1, nasnetLr: 0.1, fixHead: false },
    };
    const regularised = regularisedEntries(search);
    using cycle = new Cycle(device, { networks, parameters, settings, regularised, reached: [] });
    cycle.decide(decision);
    const first = await cycle.searchStep(batch(0, 1));
    expect(first.gradientNorm).toBeGreaterThan(settings.gradClip);
    using copy = await newParameters(2);
    await device.execute([{ kind: 'copy', parameters, target: copy }]);
    const arenas = { stale: 'weightGradients', momentum: 'momentum' } as const;
    const stale = await parameters.store.read(arenas.stale);
    const momentum = await parameters.store.read(arenas.momentum);
    const [train, validation] = [batch(2, 3), batch(4, 5)];
    const outcome = await cycle.jointStep({ train, validation, regularWeight: 0.3, update: 0 });

    // The same by single commands, sums and scales in double.
    const { lossAlpha, lossT: temperature, interactiveType: distance, detachTeacher, rowMeans } = settings;
    const losses = { lossAlpha, temperature, distance, detachTeacher, rowMeans };
    using joint = device.compile(networks.joint(decision, losses).graph, { batchSize: 2, parameters: copy });
    const weight = 0.3 * settings.regularCount;
    await device.execute([
      { kind: 'gradients', program: joint, batch: validation, target: 'both' },
      { kind: 'penalty', parameters: copy, penalty: 'l1', weight, entries: regularised },
    ]);
    const gradients = Float64Array.from(await copy.store.read('weightGradients'));
    const alpha = Float64Array.from(await copy.store.read('alphaGradients'));
    const before = Float64Array.from(await copy.store.read('weights'));
    const ownOf = (side: 'search' | 'evaluation') => placesIn((group) => isOf(side, group));
    const [ownS, ownE] = [ownOf('search'), ownOf('evaluation')];
    for (const place of ownS) gradients[place] += stale[place];
    const squares = (values: Iterable<number>) => [...values].reduce((sum, value) => sum + value * value, 0);
    const normOfAll = Math.sqrt(squares(gradients) + squares(alpha));
    const factor = settings.gradClip / (normOfAll + 1e-6);
    expect(outcome.gradientNorm).toBeCloseTo(normOfAll, 4);
    const after = await parameters.store.read('weights');
    const { wWeightDecay: decay, wMomentum } = settings;
    const reached = new Set(cycle.reached);
    const moved = placesIn((group) => isOf('evaluation', group) && reached.has(group));
    expect(moved.length).toBeGreaterThan(100);
    expect(moved.length).toBeLessThan(ownE.length);
    const stepped = moved.map((place) => before[place] - 0.1 * (factor * gradients[place] + decay * before[place]));
    const close = { tolerance: 1e-5 };
    expectClose(
      Float32Array.from(moved, (place) => after[place]),
      Float64Array.from(stepped),
      { name: 'E', ...close },
    );

    // S's own step sees what is left of those: its norm is found from how far the weights of its cells went.
    await device.execute([
      { kind: 'copy', parameters, target: copy, tensors: namesIn((group) => isOf('evaluation', group)) },
    ]);
    const shared = placesIn((group) => !isOf('search', group) && !isOf('evaluation', group));
    const moment = Float64Array.from(before, (value, place) => factor * gradients[place] + decay * value);
    const values = Float32Array.from(before);
    for (const place of shared) values[place] = before[place] - 0.1 * moment[place];
    await copy.store.write('weights', 0, values);
    await device.execute([{ kind: 'copy', parameters, target: copy, tensors: parameters.names('alpha') }]);
    using alone = device.compile(search.graph, { batchSize: 2, parameters: copy });
    await device.execute([{ kind: 'gradients', program: alone, batch: train, target: 'weights' }]);
    const ofS = Float64Array.from(await copy.store.read('weightGradients'));
    const isOfE = new Set(ownE);
    const left = squares(gradients.map((value, place) => (isOfE.has(place) ? factor * value : 0)));
    const norm = Math.sqrt(squares(ofS) + left + squares(alpha.map((value) => factor * value)));
    const second = Math.min(1, settings.gradClip / (norm + 1e-6));
    const expected = ownS.map((place) => {
      const velocity = wMomentum * momentum[place] + (second * ofS[place] + decay * before[place]);
      return before[place] - 0.1 * velocity;
    });
    expectClose(
      Float32Array.from(ownS, (place) => after[place]),
      Float64Array.from(expected),
      { name: 'S', ...close },
    );
  });

  function placesIn(isWanted: (group: string) => boolean): number[] {
    return namesIn(isWanted).flatMap((name) => {
      const { offset, size } = parameters.map.places.get(name)!;
      return Array.from({ length: size }, (_, index) => offset + index);
    });
  }
});

describe('gradients that the search network keeps for its ensemble weights', () => {
  const own = buildCyclicNetworks({
    ...{ inputShape: [12, 12, 3], classes: 3, initChannels: 2, layers: 3, evaluationLayers: 3 },
  });

  it.each([
    ['own', own, ['search.ensemble']],
    ['shared', networks, []],
  ] as const)('are those of one step: %s', async (ensemble, pair, kept) => {
    using together = await device.createParameters([pair.search.graph, pair.layout], { seed: 1, secondMoments: true });
    const settings = {
      ...cdartsPresets['cdarts-authors'].settings,
      ...{ ensemble, trainEnsemble: true },
    };
    const regularised = regularisedEntries(pair.search);
    using cycle = new Cycle(device, { networks: pair, parameters: together, settings, regularised, reached: [] });
    cycle.decide(decision);
    await cycle.searchStep(batch(0, 1));
    const execute = vi.spyOn(device, 'execute');
    await cycle.jointStep({ train: batch(2, 3), validation: batch(4, 5), regularWeight: 0.3, update: 0 });
    await cycle.jointStep({ train: batch(2, 3), validation: batch(4, 5), regularWeight: 0.3, update: 1 });
    const [pass] = execute.mock.lastCall![0] as [GradientsCommand];
    expect(pass.accumulate).toEqual(['search']);
    expect(pass.groups!.filter((group) => group === 'search.ensemble')).toEqual(kept);
  });
});

describe('halves of each class', () => {
  const labels = Int32Array.of(0, 0, 0, 0, 1, 1, 1, 2);

  it('are the first and the other images of each', () => {
    const { train, validation } = splitClasses(labels, 1);
    expect([...train]).toEqual([0, 1, 4]);
    expect([...validation]).toEqual([2, 3, 5, 6, 7]);
  });

  it('may be random', () => {
    const { train, validation } = splitClasses(labels, 1, false);
    expect([...train, ...validation].toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(Array.from(train, (place) => labels[place])).toEqual([0, 0, 1]);
    const draws = [1, 2, 3, 4].map((seed) => String(splitClasses(labels, seed, false).train));
    expect(new Set(draws).size).toBeGreaterThan(1);
  });

  it('need a class of two', () => {
    expect(() => splitClasses(Int32Array.of(0, 1, 2), 1)).toThrow(/two images.*byClass/);
  });
});
