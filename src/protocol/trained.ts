// Architectures scored by training each from scratch, with the same settings and the seed of its search.
import { FileError } from '../errors.ts';
import type { Method } from '../methods/method.ts';
import type { TrainingPlan } from '../run/config.ts';
import type { TrainResult } from '../run/events.ts';
import { headOf, mainMeasure, scoresIn } from '../run/measured.ts';
import { inWords } from '../words.ts';
import type { Architecture } from './architectures.ts';
import type { ProtocolPlace } from './events.ts';
import { type Failure, isFailure } from './failures.ts';
import type { ProtocolOptions } from './options.ts';
import { dataOptions, type ProtocolPlan, withoutUndefined } from './plan.ts';
import type { ProtocolRuns } from './runs.ts';
import type { Scorer } from './scorer.ts';
import type { ProtocolMeasure } from './table.ts';

/** Scores by trainings of a plan. */
export function trainedScorer(
  { training, brief, trains, trainings }: ProtocolPlan,
  options: ProtocolOptions,
  runs: ProtocolRuns,
): Scorer {
  const names = namesOf(trains);
  const measure = measureOf(trains, names, training!);
  const trained = async (
    place: Pick<ProtocolPlace, 'arm' | 'seed'>,
    part: 'train' | 'brief',
    plan: TrainingPlan,
    { genotype, foundIn }: Architecture,
  ): Promise<TrainResult | Failure> => {
    const { limit: _, ...data } = dataOptions(options);
    const own = { ...plan, seed: place.seed, genotype, foundIn };
    return runs.finish<TrainResult>(
      { ...place, part },
      { command: 'train', options: withoutUndefined({ ...data, ...own }) },
    );
  };
  return {
    ...{ measures: [measure], trainings },
    score: async (place, architecture) => {
      const briefly = brief && (await trained(place, 'brief', brief, architecture));
      const wholly = await trained(place, 'train', training!, architecture);
      if (isFailure(wholly)) return wholly;
      return {
        scores: { [measure.name]: scoreOf(wholly, [names.test]) },
        ...(briefly && isFailure(briefly) && { briefFailure: briefly }),
        ...(briefly &&
          !isFailure(briefly) && { briefs: { [measure.name]: scoreOf(briefly, [names.kept, names.test]) } }),
      };
    },
  };
}

/** What the results of a training call its main measure: on the test data and, where it keeps the best epoch, on those to validate on. */
interface ScoreNames {
  readonly main: string;
  readonly test: string;
  readonly kept: string;
}

function namesOf(trains: Method): ScoreNames {
  const main = mainMeasure(trains) ?? '';
  return {
    main,
    test: main.replace(/^validation/, 'test'),
    kept: `best${main.charAt(0).toUpperCase()}${main.slice(1)}`,
  };
}

function measureOf(trains: Method, { main, test }: ScoreNames, { validationPortion }: TrainingPlan): ProtocolMeasure {
  const { unit, better = 'higher' } = headOf(trains, 'epoch', main);
  // Then it is not test images that it is scored on, whatever its name is.
  const title = inWords(validationPortion === undefined ? test : main);
  return { name: test, title, unit: unit as ProtocolMeasure['unit'], better };
}

/** The first of some scores that a result has. */
function scoreOf(result: TrainResult, names: readonly string[]): number {
  const scores = scoresIn(result);
  const found = names.find((name) => scores[name] !== undefined);
  if (found !== undefined) return scores[found];
  throw new FileError(
    `${result.directory ?? 'a training'} tells no ${names.at(-1)}: delete it, and it is trained again`,
  );
}
