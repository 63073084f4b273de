import { ArgumentError } from '../../errors.ts';
import { defaultThreshold, type SelectionOptions } from '../../select/rules.ts';
import { strongestByAlpha, winners } from '../../select/strongest_by_alpha.ts';
import { resolveSpace, type SearchSpace, spaceOf } from '../../space/space.ts';
import { alternatingMeasures, alternatingSearch } from '../alternating_search.ts';
import { defineMethod, type JsonValue, type Measure, type MethodContext } from '../method.ts';
import { oneLevelStep } from '../one_level_step.ts';
import { describeStages, type StageDescription, type StagePart } from '../staged_run.ts';
import { checkGrouped, memberSpace, type Winners } from './groups.ts';
import { type StacnasSettings, stacnasPresets, stacnasSettingRules } from './settings.ts';

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
    '--stage search2 --from runs/first --search2-layers 8',
    '--train-ratio 0.9 --power-lr --auto-aug --dataset cifar10 --data-dir cifar-10-batches-bin',
  ],
  data: 'images',
  imageSize: 32,
  settings: stacnasSettingRules,
  presets: stacnasPresets,
  spaces: ['stacnas', 'stacnas_all'],
  measures: alternatingMeasures.filter(({ name, of }) => !(name === 'validationLoss' && of === 'step')).map(told),
  followsRuns: true,
  describe: async (context) => {
    const space = firstSpace(context);
    checkGrouped(resolveSpace(space));
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
  return typeof space === 'string' ? { ...spaceOf(space), nodes: settings.nodes } : space;
}

function secondSpace({ settings }: MethodContext<StacnasSettings>, first: SearchSpace, found: JsonValue): SearchSpace {
  // The outcome of the first stage.
  return memberSpace(resolveSpace(first), found as unknown as Winners, settings.skipTwice);
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
