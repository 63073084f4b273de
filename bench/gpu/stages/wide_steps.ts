// Steps beyond the published search's: larger batches, and the training step of an evaluation network.
import type { Device, Precision } from '../../../src/backend/device.ts';
import { median, spread } from '../../../src/kernels/statistics.ts';
import { presets } from '../../../src/methods/darts/settings.ts';
import { evaluationNetwork } from '../../step/ours.ts';
import { timed } from '../../support/measure.ts';
import type { Context } from '../context.ts';
import { figureText } from '../figures.ts';
import type { StageOutcome } from '../outcome.ts';
import { openSearch, randomImages } from '../search_steps.ts';
import type { NetworkSize } from '../sizes.ts';

interface WideStep {
  readonly step: string;
  readonly batch: number;
  readonly precision: Precision;
  readonly seconds: readonly number[];
}

/** Times steps of both kinds in every precision. */
export async function timeWideSteps(context: Context): Promise<StageOutcome> {
  const { device, sizes, precisions, progress, keep } = context;
  const results: WideStep[] = [];
  const leftOut: Record<string, string> = {};
  const outcome = (): StageOutcome => ({
    leftOut,
    rows: results.map(({ step, batch, precision, seconds }) => ({
      step,
      batch,
      in: precision,
      ms: figureText(median(seconds) * 1e3),
      IQR: figureText(spread(seconds) * 1e3),
      'images/s': figureText(batch / median(seconds)),
    })),
    data: { measured: results },
  });
  for (const precision of precisions) {
    for (const batch of sizes.wideBatches) {
      const open = () => openWideSearch(device, { ...sizes.step, batch }, precision);
      await time('first-order search', batch, precision, open);
    }
    const { batch } = sizes.evaluation;
    await time('training of DARTS_V2', batch, precision, () => openTraining(device, sizes.evaluation, precision));
  }
  return outcome();

  async function time(step: string, batch: number, precision: Precision, open: () => Promise<Steps>): Promise<void> {
    const name = `${step}, batch ${batch}, ${precision}`;
    if (context.secondsLeft() < secondsOfOne) {
      leftOut[name] = 'there was no time left';
      return;
    }
    progress(name);
    try {
      using steps = await open();
      // Plans, then records.
      for (let i = 0; i < 2; i++) await steps.take(i);
      const seconds: number[] = [];
      for (let i = 0; i < sizes.wideRounds; i++) seconds.push(await timed(() => steps.take(2 + i)));
      results.push({ step, batch, precision, seconds });
    } catch (error) {
      leftOut[name] = (error as Error).message;
    }
    keep(outcome());
  }
}

/** Not begun with less. */
const secondsOfOne = 5;

interface Steps extends Disposable {
  take(number: number): Promise<unknown>;
}

async function openWideSearch(device: Device, size: NetworkSize, precision: Precision): Promise<Steps> {
  const search = await openSearch(device, size, { precision });
  return {
    take: (number) => search.step('first order', number),
    [Symbol.dispose]: () => search[Symbol.dispose](),
  };
}

/** The auxiliary head of the published evaluation, which 32 x 32 pixels have room for. */
const auxiliaryWeight = 0.4;
const image = [32, 32, 3] as const;

async function openTraining(
  device: Device,
  { batch, channels, layers }: Context['sizes']['evaluation'],
  precision: Precision,
): Promise<Steps> {
  const { graph } = evaluationNetwork({ channels, layers }, auxiliaryWeight);
  const parameters = await device.createParameters(graph, { seed: 0 });
  const program = device.compile(graph, { batchSize: batch, parameters, precision });
  const dataset = await device.createDataset(randomImages(image, batch));
  const indices = Uint32Array.from({ length: batch }, (_, index) => index);
  const augmentation = { mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25], pad: 4, flip: true, cutout: 16 };
  const { learningRate, momentum, weightDecay, gradClip } = presets.paper.settings;
  return {
    take: () =>
      device.execute([
        { kind: 'gradients', program, batch: { dataset, indices, augmentation }, target: 'weights' },
        { kind: 'sgd', parameters, learningRate, momentum, weightDecay, maxNorm: gradClip },
      ]),
    [Symbol.dispose]: () => {
      program.dispose();
      dataset.dispose();
      parameters.dispose();
    },
  };
}
