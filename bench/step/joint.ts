// A joint step of CDARTS, as the method takes it: alpha and the evaluation network, which has the cells of CDARTS_CIFAR, by both networks'
// losses, then the search network.
import type { Device } from '../../src/backend/device.ts';
import { genotypes } from '../../src/genotype/published.ts';
import { Cycle, type JointStep } from '../../src/methods/cdarts/cycle.ts';
import { regularisedEntries } from '../../src/methods/cdarts/regularised.ts';
import { cdartsPresets } from '../../src/methods/cdarts/settings.ts';
import { buildCyclicNetworks, type CyclicNetworks } from '../../src/network/cyclic.ts';
import { costOf } from '../../src/report/cost.ts';
import type { StepSizes } from '../support/work.ts';
import type { StepOptions } from './ours.ts';

const { settings: published } = cdartsPresets.cdarts;
const decision = genotypes['CDARTS_CIFAR'];

function networksOf({ channels, layers }: Pick<StepSizes, 'channels' | 'layers'>): CyclicNetworks {
  // 20 cells of the evaluation network where the search network has 8, as cdarts_step.py has it.
  const evaluationLayers = Math.floor((layers * 5) / 2);
  return buildCyclicNetworks({
    ...{ inputShape: [32, 32, 3], classes: 10, initChannels: channels },
    ...{ layers, evaluationLayers },
  });
}

/** Both networks on a device, and how a step is taken. The regulariser has its largest factor. */
export async function openJointStep(device: Device, { precision = 'fp32', ...sizes }: StepOptions) {
  const networks = networksOf(sizes);
  const { search, layout } = networks;
  const parameters = await device.createParameters([search.graph, layout], { seed: 0, secondMoments: true });
  const settings = { ...published, precision };
  const regularised = regularisedEntries(search);
  const cycle = new Cycle(device, { networks, parameters, settings, regularised, reached: [] });
  cycle.decide(decision);
  return {
    take: (halves: Pick<JointStep, 'train' | 'validation'>, step: number) =>
      cycle.jointStep({ ...halves, regularWeight: settings.regularCoeff, update: step - 1 }),
  };
}

/**
 * Multiply-accumulates of a step for each image: of the search network 2 passes for alpha and 3 for its weights, of the evaluation network 3.
 */
export function jointArithmetic(sizes: StepSizes): number {
  const { search, evaluation } = networksOf(sizes);
  const [searchMacs, evaluationMacs] = [search, evaluation(decision)].map(
    ({ graph }) => costOf(graph).multiplyAccumulates,
  );
  return 5 * searchMacs + 3 * evaluationMacs;
}
