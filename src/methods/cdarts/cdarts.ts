import { type AugmentSettings, checkAugmentation } from '../../augment/augment.ts';
import { type Dataset, type ImageSet, sizeOption } from '../../data/dataset.ts';
import { type SplitIndices, splitClasses, splitIndices } from '../../data/split.ts';
import { ArgumentError, invalid } from '../../errors.ts';
import { withFlip } from '../../learn/flipped_images.ts';
import { buildCyclicNetworks, type CyclicNetworks } from '../../network/cyclic.ts';
import { callingSize } from '../../network/image_size.ts';
import { defineMethod, type MethodContext, type MethodDescription } from '../method.ts';
import { loadedWhole } from '../search_images.ts';
import { measures } from './measures.ts';
import { regularisedEntries } from './regularised.ts';
import { openCdarts } from './run.ts';
import { type CdartsSettings, cdartsPresets, cdartsSettingRules } from './settings.ts';

/** The training that goes with a preset of its own. */
const trainings: Readonly<Record<string, string>> = {
  quick: 'cdarts-quick',
  'cdarts-script': 'cdarts-script',
  'cdarts-authors': 'cdarts-authors',
  'cdarts-imagenet': 'cdarts-imagenet',
  // The network that the benchmark trained.
  'cdarts-nasbench201': 'nasbench201',
};

/** CDARTS: a search network and the network that it decides on teach each other. */
export const cdarts = defineMethod({
  name: 'cdarts',
  command: 'search',
  title: 'CDARTS',
  paper: 'arXiv:2006.10724',
  description:
    'Searches an architecture with CDARTS (arXiv:2006.10724): a search network and the evaluation network that it decides on learn in a cycle.',
  examples: [
    '',
    '--preset cdarts --dataset cifar10 --data-dir cifar-10-batches-bin --out runs/cdarts',
    '--no-share-module --interactive-type smoothl1 --fix-head',
    '--preset cdarts-nasbench201 --dataset cifar10 --data-dir cifar-10-batches-bin --out runs/cells',
  ],
  data: 'images',
  imageSize: 32,
  settings: cdartsSettingRules,
  presets: cdartsPresets,
  spaces: ['cdarts', 'nasbench201'],
  usualTraining: (preset) => ({ preset: trainings[preset] ?? 'cdarts' }),
  measures,
  describe: describeCdarts,
});

/** Why nothing fine-tunes or scores it. */
const alone =
  'whose supernet learns beside the network that it decides on, not alone: select --by cdarts takes a genotype from its alpha';

/** The padding of the published code in front of AutoAugment, whatever the dataset. */
const widePad = 128;

async function describeCdarts(context: MethodContext<CdartsSettings>): Promise<MethodDescription> {
  const { settings, seed, workers } = context;
  const augment = augmentOf(settings);
  checkAugmentation(augment, context.dataset.train.shape, { autoAugment: 'useAa' });
  const networks = networksOf(context);
  const { search } = networks;
  const oneCell = search.space.skeleton.cells === 'one';
  if (oneCell && settings.gumbelSample) {
    throw new ArgumentError(
      'gumbelSample draws two edges a node, but cells of one input keep all of theirs: expected none of it (--no-gumbel-sample)',
    );
  }
  const regularised = regularisedEntries(search, {
    candidates: namesOf(settings.regularised, networks),
    stridedSkips: settings.regularStridedSkips,
  });
  // Not before the networks: they may refuse the size.
  const dataset = await loadedWhole(paddedFor(withFlip(context.dataset, settings.flip), settings), context);
  const { labels } = dataset.train;
  const split = settings.byClass
    ? splitClasses(labels, seed, settings.fileOrder)
    : splitIndices(labels.length, 0.5, seed, settings.fileOrder);
  checkBatches(networks, split, settings);
  return {
    dataset,
    graphs: { search: search.graph, evaluation: networks.candidates },
    space: search.space.name,
    layers: settings.layers,
    oneCell,
    ...(!settings.repeatCell && { genotypeCells: settings.evaluationLayers }),
    trainSamples: split.train.length,
    validationSamples: split.validation.length,
    alone,
    open: (device) => openCdarts(device, { networks, settings, split, regularised, dataset, augment, seed, workers }),
  };
}

/** Batch normalisation of one pixel needs two images: its variance is over the batch alone. */
function checkBatches({ search }: CyclicNetworks, split: SplitIndices, { batchSize }: CdartsSettings): void {
  const isOnePixel = search.graph.nodes.some(({ op, shape }) => op === 'batchNorm' && shape[0] * shape[1] === 1);
  if (!isOnePixel) return;
  const lone = Object.values(split).find(({ length }) => batchSize === 1 || length % batchSize === 1);
  if (lone === undefined) return;
  const wanted = 'a size that leaves no batch of 1 image, as a distillation head normalises over 1 pixel of each,';
  throw invalid('batchSize (--batch-size)', `${wanted} of a half of ${lone.length}`, batchSize);
}

function networksOf({ settings, dataset, space }: MethodContext<CdartsSettings>): CyclicNetworks {
  const { initChannels, layers, evaluationLayers, stem, stemMultiplier, shareModule } = settings;
  const { nodes, repeatCell, ensembleSum } = settings;
  const { classes, train } = dataset;
  const sizes = { initChannels, layers, evaluationLayers, stem, stemMultiplier };
  const ensemble = settings.ensemble === 'own' ? 'own' : 'shared';
  const form = { shareModule, shareClassifier: settings.shareFc, nodes, repeatCell, ensemble, ensembleSum } as const;
  return callingSize(sizeOption(dataset), () =>
    buildCyclicNetworks({ space, inputShape: train.shape, classes, ...sizes, ...form }),
  );
}

function augmentOf({ useAa }: CdartsSettings): AugmentSettings {
  return { randomResizedCrop: false, autoAugment: useAa ? 'cifar10' : 'off', colorJitter: 0, hueJitter: 0 };
}

function paddedFor<Images extends ImageSet>(dataset: Dataset<Images>, { useAa }: CdartsSettings): Dataset<Images> {
  if (!useAa) return dataset;
  return { ...dataset, augmentation: { ...dataset.augmentation, pad: widePad } };
}

/** Names of candidates from a text. Throws ArgumentError for one that no edge has. */
function namesOf(text: string, { search: { tables } }: CyclicNetworks): string[] {
  const edges = Object.values(tables).flatMap((table) => table.edges);
  const known = [...new Set(edges.flatMap(({ candidates }) => candidates.map(({ name }) => name)))];
  const names = text.split(/[\s,]+/).filter((name) => name !== '');
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw invalid('regularised', `names among ${known.join(', ')}`, unknown);
  return names;
}
