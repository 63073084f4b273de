// Nesterov's momentum in trainings: which have it, and what it does not go with.
import { expect, it } from 'vitest';
import { genotypes } from '../../../src/genotype/published.ts';
import { parseGenotype } from '../../../src/genotype/text.ts';
import type { TrainSettings } from '../../../src/methods/train/settings.ts';
import { train } from '../../../src/train.ts';
import { createFakeDevice } from '../../helpers/fake_device.ts';
import { tinyDataset } from '../../helpers/tiny_search.ts';

const dataset = { ...tinyDataset(), test: tinyDataset(2).train };
const small = { batchSize: 8, epochs: 1, initChannels: 2, layers: 3, auxiliary: false };
const genotype = genotypes['DARTS_V2'];

async function sgdCommands(options: Pick<Parameters<typeof train>[0], 'genotype' | 'settings' | 'preset'>) {
  const device = createFakeDevice();
  await train({ dataset, device, ...options }).result;
  return device.calls.flat().filter(({ kind }) => kind === 'sgd');
}

it('is asked for by a setting, and by the presets of NAS-Bench-201', async () => {
  const [plain] = await sgdCommands({ genotype, settings: small });
  expect(plain).not.toHaveProperty('nesterov');
  const [asked] = await sgdCommands({ genotype, settings: { ...small, nesterov: true } });
  expect(asked).toMatchObject({ nesterov: true, momentum: 0.9 });
  const cell = parseGenotype('|nor_conv_1x1~0|');
  for (const preset of ['nasbench201-quick', 'nasbench201'] as const) {
    const [published] = await sgdCommands({ genotype: cell, preset, settings: small });
    expect(published).toMatchObject({ nesterov: true, momentum: 0.9 });
  }
});

it.each<[Partial<TrainSettings>, string]>([
  [{ momentum: 0 }, 'expected a number above 0 with nesterov for momentum but received 0'],
  [{ optimizer: 'adam' }, "nesterov is a form of SGD's momentum: expected none of it (--no-nesterov) with adam"],
])('does not go with %j', async (settings, message) => {
  const started = train({
    ...{ dataset, genotype, device: createFakeDevice() },
    settings: { ...small, nesterov: true, ...settings },
  });
  await expect(started.result).rejects.toMatchObject({ name: 'ArgumentError', message });
});
