import { ArgumentError } from '../../errors.ts';
import { defaultThreshold, type SelectionOptions } from '../../select/rules.ts';
import { strongestByAlpha, winners } from '../../select/strongest_by_alpha.ts';
import { cellTypesOf } from '../../skeleton/cell_stack.ts';
import { resolveSpace, type SearchSpace, spaceOf } from '../../space/space.ts';
import { alternatingMeasures, alternatingSearch } from '../alternating_search.ts';
import { defineMethod, type JsonValue, type Measure, type MethodContext, type UsualTraining } from '../method.ts';
import { oneLevelStep } from '../one_level_step.ts';
import { describeStages, type StageDescription, type StagePart } from '../staged_run.ts';
import { checkGrouped, memberSpace, membersOf, parseGroups, spaceOver, type Winners } from './groups.ts';
import { readPublishedWinners } from './published.ts';
import { type StacnasSettings, stacnasPresets, stacnasSettingRules } from './settings.ts';

/** Those of a first stage. */
const firstSpaces = ['stacnas', 'stacnas_all'];

/** StacNAS: first which group of operations, then which of its members, on every edge. */
export const stacnas = defineMethod({
  name: 'stacnas',
  command: 'search',
  title: 'StacNAS',
  paper: 'arXiv:1909.11926',
  description:
    'Searches an architecture with StacNAS (arXiv:1909.11926): a stage over groups of operations, then one over the members of those that won.',
  examples: [
    '',
    '--dataset cifar10 --data-dir cifar-10-batches-bin --preset paper --seed 6',
    '--stage search1 --out runs/first',
    '--groups "max_pool_3x3 avg_pool_3x3, skip_connect, sep_conv_3x3 sep_conv_5x5 sep_conv_7x7"',
    '--stage search2 --from runs/first --search2-layers 8',
    '--stage search2 --from search1/alphas/alphas_best.pk --dataset cifar10 --data-dir cifar-10-batches-bin',
    '--preset paper --seed 1 --then train --dataset cifar10 --data-dir cifar-10-batches-bin --out runs/all',
    '--train-ratio 0.9 --power-lr --auto-aug --dataset cifar10 --data-dir cifar-10-batches-bin',
  ],
  data: 'images',
  imageSize: 32,
  settings: stacnasSettingRules,
  presets: stacnasPresets,
  spaces: firstSpaces,
  measures: alternatingMeasures.filter(({ name, of }) => !(name === 'validationLoss' && of === 'step')).map(told),
  usualTraining,
  membersOf: ({ stage, groups }, name) => (stage === 'both' ? membersOf(name, parseGroups(groups)) : [name]),
  followsRuns: true,
  readPublished: (path) => readPublishedWinners(path, firstSpaces),
  describe: async (context) => {
    const space = firstSpace(context);
    checkGrouped(resolveSpace(space), parseGroups(context.settings.groups));
    checkDepths(context.settings);
    const { stage, layers, search2Layers } = context.settings;
    const found = foundBefore(context);
    const search1: StagePart = { name: 'search1', describe: () => describeStage(context, space, layers) };
    const search2: StagePart = {
      name: 'search2',
      describe: ([winners = found]) => describeStage(context, secondSpace(context, space, winners), search2Layers),
    };
    const description = await describeStages(
      stage === 'search2' ? [search2] : stage === 'search1' ? [search1] : [search1, search2],
    );
    // That of the first stage, whatever stage this run begins with.
    const { notices = [] } = description;
    return { ...description, space: space.name, notices: [...depthNotices(context.settings), ...notices] };
  },
});

/** As the published run of all stages goes on: with a seed of its own, and what is on in the searches being on in the training. */
function usualTraining(preset: string, settings: StacnasSettings): UsualTraining {
  const { alphaShare, search2Layers, autoAug, powerLr, scheduleAhead, affine } = settings;
  const own = {
    ...{ normalisePooling: true, smoothScores: true, scheduleAhead, affine },
    ...(autoAug && { autoAugment: 'fairdarts' }),
    ...(powerLr && { schedule: 'power' }),
    ...(!alphaShare && { layers: search2Layers }),
  };
  return preset === 'paper' ? { preset: 'stacnas', seed: 3, settings: own } : { preset: 'quick', settings: own };
}

/** What the first stage of another run found, which the second stage alone begins with. Throws ArgumentError. */
function foundBefore({ settings: { stage }, before }: MethodContext<StacnasSettings>): JsonValue {
  const isSecond = stage === 'search2';
  if (isSecond && before === undefined) {
    throw new ArgumentError(
      'stage search2 begins with what a first stage found: name its run, such as --from runs/first, or leave --stage out for both',
    );
  }
  if (!isSecond && before !== undefined) {
    throw new ArgumentError('from (--from) is for stage search2 alone (--stage search2), but this run has search1');
  }
  const found = before?.stages['search1'];
  if (isSecond && found === undefined) {
    throw new ArgumentError(`${before?.directory} has not ended its stage search1: go on with it first`);
  }
  return found ?? null;
}

/** Where every cell has its own alpha, what one stage found for it is handed to the same cell of the next. */
function checkDepths({ stage, alphaShare, layers, search2Layers }: StacnasSettings): void {
  if (stage !== 'both' || alphaShare || layers === search2Layers) return;
  throw new ArgumentError(
    `alphaShare off needs as many cells in both stages, but layers is ${layers} and search2Layers ${search2Layers}: ` +
      `give both, such as --layers ${layers} --search2-layers ${layers}`,
  );
}

/** Shallower stages than this chose badly (the authors' issue 8). */
const leastDepth = 10;

function depthNotices({ stage, layers, search2Layers }: StacnasSettings): readonly string[] {
  const depths = [...(stage === 'search2' ? [] : [layers]), ...(stage === 'search1' ? [] : [search2Layers])];
  if (Math.min(...depths) >= leastDepth) return [];
  return [`stages of ${depths.join(' and ')} cells: shallow ones were found to choose badly; published are 14 and 20`];
}

const selection: SelectionOptions = { by: 'stacnas', threshold: defaultThreshold };

/** A known one has as many nodes as the settings say. */
function firstSpace({ space, settings }: Pick<MethodContext<StacnasSettings>, 'space' | 'settings'>): SearchSpace {
  const given = typeof space === 'string' ? { ...spaceOf(space), nodes: settings.nodes } : space;
  const own = typeof space === 'string' ? spaceOver(parseGroups(settings.groups), given) : given;
  return { ...own, sharedAlpha: settings.alphaShare };
}

function secondSpace({ settings }: MethodContext<StacnasSettings>, first: SearchSpace, found: JsonValue): SearchSpace {
  // The outcome of the first stage.
  const types = cellTypesOf(settings.search2Layers);
  const groups = parseGroups(settings.groups);
  return memberSpace(resolveSpace(first, types), found as unknown as Winners, settings.skipTwice, groups);
}

async function describeStage(
  context: MethodContext<StacnasSettings>,
  space: SearchSpace,
  layers: number,
): Promise<StageDescription> {
  const { trainRatio, ...settings } = context.settings;
  const own = { ...settings, layers, trainPortion: trainRatio, cutout: false, cutoutLength: 0 };
  const description = await alternatingSearch(
    { ...context, space, settings: own },
    {
      validation: 'none',
      alpha: () => [],
      weights: oneLevelStep,
      keepsBest: true,
      selection,
      select: (supernet, _, alpha) => strongestByAlpha(supernet, alpha),
    },
  );
  return {
    ...description,
    open: async (device) => {
      const run = await description.open(device);
      const outcome = async () => winners(run.supernet, (await run.found()).alpha);
      return Object.assign(run, { outcome });
    },
  };
}

/** Images are kept to validate on only where the settings say so. */
function told(measure: Measure): Measure {
  return measure.name.startsWith('validation') ? { ...measure, optional: true } : measure;
}
