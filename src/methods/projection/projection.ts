import { ArgumentError } from '../../errors.ts';
import { alternatingMeasures } from '../alternating_search.ts';
import { defineMethod, type Measure, type MethodContext, type MethodDescription } from '../method.ts';
import { describeSupernet } from '../source_supernet.ts';
import { type DecidedBy, ProjectionRun } from './run.ts';
import {
  magnitudePresets,
  magnitudeSettingRules,
  type ProjectionSettings,
  projectionPresets,
  projectionSettingRules,
} from './settings.ts';

const scoreMeasures: readonly Measure[] = [
  { name: 'scoreAccuracy', of: 'step', label: 'without it', group: 'score', unit: 'share', optional: true },
  { name: 'scoreLoss', of: 'step', label: 'loss', group: 'score', unit: 'loss', optional: true },
];

const tuningMeasures = alternatingMeasures.map((measure): Measure => ({ ...measure, optional: true }));

const common = {
  command: 'select',
  paper: 'arXiv:2108.04392',
  data: 'images',
  needs: 'run',
} as const;

/** Perturbation-based selection: what is missed most stays. */
export const projection = defineMethod({
  ...common,
  name: 'projection',
  settings: projectionSettingRules,
  presets: projectionPresets,
  measures: [...scoreMeasures, ...tuningMeasures],
  title: 'DARTS-PT',
  description:
    "Selects from a search's supernet by perturbation (arXiv:2108.04392): edge by edge, the operation without which it does worst stays.",
  examples: [
    'runs/darts --out runs/pt',
    'runs/blank --proj-crit loss --proj-intv 10 --out runs/blank-pt',
    'runs/fair --preset quick --plain-scores --keep-statistics',
    '--resume runs/pt',
  ],
  describe: (context) => describeSelection(context, 'projection'),
});

/** The same decisions by alpha, to compare with. */
export const magnitude = defineMethod({
  ...common,
  name: 'magnitude',
  settings: magnitudeSettingRules,
  presets: magnitudePresets,
  measures: tuningMeasures,
  title: 'selection by magnitude, with fine-tuning',
  description:
    "Selects from a search's supernet edge by edge by alpha, with the fine-tuning of a selection by perturbation (PT-Mag of arXiv:2108.04392).",
  examples: ['runs/darts --out runs/mag'],
  describe: (context) => {
    // Nothing is scored.
    const settings = { ...projectionPresets.paper.settings, ...context.settings };
    return describeSelection({ ...context, settings }, 'magnitude');
  },
});

async function describeSelection(
  context: MethodContext<ProjectionSettings>,
  by: DecidedBy,
): Promise<MethodDescription> {
  const { settings, seed, source } = context;
  if (source === undefined) throw new ArgumentError('expected a run with a supernet to select from');
  const search = await describeSupernet(context, source);
  if (search.validationSamples === 0) {
    throw new ArgumentError(`${source.directory} kept no images to validate on, which a selection scores with`);
  }
  return {
    ...search,
    open: async (device) => {
      const training = await search.openSupernet(device, { validationOrder: 'draw', seed });
      // As cells of one input do.
      const keepsInputs = search.supernet.space.skeleton.cells === 'one';
      return new ProjectionRun(training, { settings, seed, source, by, keepsInputs });
    },
  };
}
