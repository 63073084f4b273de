import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { arenas, stateArenas } from '../../../src/backend/parameter_map.ts';
import { openParameterFile, saveParameterSets } from '../../../src/backend/parameter_sets.ts';
import { FileError } from '../../../src/errors.ts';
import { GraphBuilder } from '../../../src/graph/builder.ts';
import { decodeSafetensors, encodeSafetensors } from '../../../src/io/safetensors.ts';
import { fakeParameters } from '../../helpers/fake_device.ts';
import { scratch } from '../../helpers/scratch.ts';

function graph() {
  const builder = new GraphBuilder();
  builder.alpha('alphas', [2, 3]);
  const input = builder.input('images', [4, 4, 2]);
  const convolved = builder.conv2d('conv', input, { channels: 3, kernel: [3, 1], padding: [1, 0] });
  const normal = builder.batchNorm('bn', convolved, { affine: true });
  return builder.finish(builder.softmaxCrossEntropy(builder.linear('fc', builder.globalAvgPool(normal), 5)));
}

async function filled(seed: number) {
  const parameters = fakeParameters(graph(), seed);
  for (const arena of stateArenas) {
    const values = await parameters.store.read(arena);
    for (const { offset, size, spec } of parameters.map.places.values()) {
      const role = arena === 'buffers' ? 'buffer' : arena.startsWith('alpha') ? 'alpha' : 'weight';
      if (spec.role !== role) continue;
      for (let i = 0; i < size; i++) values[offset + i] = seed + arenas.indexOf(arena) * 1000 + offset + i;
    }
    await parameters.store.write(arena, 0, values);
  }
  return parameters;
}

const state = (parameters: ReturnType<typeof fakeParameters>) =>
  Promise.all(stateArenas.map((arena) => parameters.store.read(arena)));

it('reads of an arena what belongs to a name, and no more', async () => {
  const parameters = await filled(1);
  const { store } = parameters;
  const read: unknown[][] = [];
  Object.defineProperty(parameters, 'store', {
    value: {
      read: (...given: Parameters<typeof store.read>) => {
        read.push(given);
        return store.read(...given);
      },
    },
  });
  const { offset, size } = parameters.map.places.get('fc.weight')!;
  expect((await parameters.get('fc.weight')).data).toEqual((await store.read('weights')).slice(offset, offset + size));
  await parameters.gradient('alphas');
  expect(read).toEqual([
    ['weights', offset, size],
    ['alphaGradients', 0, 5],
  ]);
});

describe('Parameters.save and load', () => {
  it('writes convolutions OIHW and linear [out, in] under their names', async () => {
    const path = join(scratch(), 'p.safetensors');
    const parameters = await filled(1);
    await parameters.save(path, { metadata: { epoch: '2' } });
    const { metadata, tensors } = decodeSafetensors(readFileSync(path), path);
    expect(metadata).toEqual({ epoch: '2' });
    expect([...tensors.keys()].toSorted()).toEqual(parameters.names().toSorted());
    const native = (await parameters.get('conv.weight')).data;
    const conv = tensors.get('conv.weight')!;
    expect(conv.shape).toEqual([3, 2, 3, 1]);
    for (let o = 0; o < 3; o++) {
      for (let i = 0; i < 2; i++) {
        for (let y = 0; y < 3; y++) expect(conv.data[(o * 2 + i) * 3 + y]).toBe(native[(y * 2 + i) * 3 + o]);
      }
    }
    const linear = (await parameters.get('fc.weight')).data;
    const fc = tensors.get('fc.weight')!;
    expect(fc.shape).toEqual([5, 3]);
    for (let o = 0; o < 5; o++) for (let i = 0; i < 3; i++) expect(fc.data[o * 3 + i]).toBe(linear[i * 5 + o]);
  });

  it('brings every state arena back, bit by bit', async () => {
    const path = join(scratch(), 'p.safetensors');
    const saved = await filled(1);
    await saved.save(path, { optimizer: true, metadata: { step: '1' } });
    const loaded = await filled(5000);
    expect(await loaded.load(path)).toEqual({ metadata: { step: '1' }, optimizer: true });
    expect(await state(loaded)).toEqual(await state(saved));
  });

  it('leaves the optimiser alone when the file holds none', async () => {
    const path = join(scratch(), 'p.safetensors');
    await (await filled(1)).save(path);
    const loaded = await filled(5000);
    const momentum = await loaded.store.read('momentum');
    expect(await loaded.load(path)).toEqual({ metadata: {}, optimizer: false });
    expect(await loaded.store.read('momentum')).toEqual(momentum);
    expect(await loaded.store.read('weights')).toEqual(await (await filled(1)).store.read('weights'));
  });

  it('ignores num_batches_tracked, lists every other difference and then changes nothing', async () => {
    const path = join(scratch(), 'p.safetensors');
    const parameters = await filled(1);
    await parameters.save(path);
    const tensors = new Map(
      [...decodeSafetensors(readFileSync(path), path).tensors].map(([name, { shape, data }]) => [
        name,
        { shape, data: Float32Array.from(data) },
      ]),
    );
    const one = { shape: [1], data: Float32Array.of(1) };
    writeFileSync(path, encodeSafetensors(new Map([...tensors, ['bn.num_batches_tracked', one]])));
    await parameters.load(path);
    const other = new Map([...tensors, ['head.weight', one], ['tail', one]]);
    other.delete('fc.bias');
    other.delete('alphas');
    writeFileSync(path, encodeSafetensors(other));
    const before = await state(parameters);
    await expect(parameters.load(path)).rejects.toThrow(FileError);
    await expect(parameters.load(path)).rejects.toThrow(
      `${path} does not fit these parameters: missing fc.bias, alphas; unexpected head.weight, tail`,
    );
    expect(await state(parameters)).toEqual(before);
  });

  it('refuses a wrong shape of the right size, and a missing file', async () => {
    const path = join(scratch(), 'p.safetensors');
    const parameters = await filled(1);
    await expect(parameters.load(path)).rejects.toThrow(/cannot read .*no such file/);
    await parameters.save(path);
    const text = readFileSync(path, 'latin1').replace('"shape":[5,3]', '"shape":[3,5]');
    writeFileSync(path, text, 'latin1');
    await expect(parameters.load(path)).rejects.toThrow('expected shape [5,3] for fc.weight but got [3,5]');
  });
});

describe('several sets of parameters in one file', () => {
  it('come back with the optimiser state of those that are trained, each under its own name', async () => {
    const path = join(scratch(), 'sets.safetensors');
    const sets = async (seed: number) => ({
      supernet: { parameters: await filled(seed), optimizer: true },
      evaluation: { parameters: await filled(seed + 1), optimizer: true },
      average: { parameters: await filled(seed + 2), optimizer: false },
    });
    const saved = await sets(3);
    await saveParameterSets(path, saved, { epoch: '2' });
    const names = [...decodeSafetensors(readFileSync(path), path).tensors.keys()];
    expect(names).toContain('conv.weight');
    expect(names).toContain('evaluation.optimizer.momentum.conv.weight');
    expect(names.filter((name) => name.startsWith('average.optimizer'))).toEqual([]);
    const loaded = await sets(9);
    const file = await openParameterFile(path);
    expect(file).toMatchObject({ metadata: { epoch: '2' }, optimizer: true });
    await file.into(loaded);
    expect(await state(loaded.supernet.parameters)).toEqual(await state(saved.supernet.parameters));
    expect(await state(loaded.evaluation.parameters)).toEqual(await state(saved.evaluation.parameters));
    const weights = (each: typeof loaded) => each.average.parameters.store.read('weights');
    expect(await weights(loaded)).toEqual(await weights(saved));
    // The first alone is what a file of weights holds: others beside it are told, averages are left alone.
    await expect(filled(5).then((own) => own.load(path))).rejects.toThrow(/evaluation\./);
  });
});
