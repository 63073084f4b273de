// Whole networks among the tensors of a file: the weights of a checkpoint, those that were averaged beside them, a teacher's.
import { isAlphaName } from './alphas.ts';
import { isLanguagePart, languageMarks } from './language_names.ts';

/** A network in a file. */
export interface StoredNetwork {
  /** What its names begin with there, such as `state_dict.module.`. */
  readonly prefix: string;
  /** Whether its weights are averages over a training, by what it is called. */
  readonly isAverage: boolean;
  readonly isLanguageModel: boolean;
}

/** What a network ends in: as most codes name it, and as NNI does; and what a language model begins and ends in. */
const [wordTable] = languageMarks;
const ends = ['classifier.weight', 'linear.weight', wordTable];
/** One of each form of stem: a weight and a running statistic, which gradients and moments of weights do not have. */
const stems = [
  ['stem.0.weight', 'stem.1.running_mean'],
  ['stem0.0.weight', 'stem0.1.running_mean'],
];
const averageName = /(?:^|[._])(?:ema|swa|avg|average|averaged|shadow)(?=[._]|$)/i;
const candidateName =
  /^cells\.\d+\.(?:_ops\.\d+\._ops|edges\.\d+<-\d+|mutable_ops\.\d+\.ops\.\d+(?:\.choices)?)\.\d+\./;
const partName = /^(?:stem\d?|cells|lastact|classifier|linear|auxiliary_head|aux_head)\./;

/** A file of more was not written by a training. */
const mostNetworks = 16;

/** The networks of a file, plain weights before averages, short names before long ones. */
export function findNetworks(paths: readonly string[]): StoredNetwork[] {
  const known = new Set(paths);
  return paths
    .flatMap((path) => {
      const end = ends.find((name) => path === name || path.endsWith(`.${name}`));
      if (end === undefined) return [];
      const prefix = path.slice(0, -end.length);
      return [{ prefix, isAverage: averageName.test(prefix), isLanguageModel: end === wordTable }];
    })
    .filter(({ prefix, isLanguageModel }) =>
      (isLanguageModel ? [languageMarks] : stems).some((names) => names.every((name) => known.has(prefix + name))),
    )
    .sort((a, b) => Number(a.isAverage) - Number(b.isAverage) || a.prefix.length - b.prefix.length)
    .slice(0, mostNetworks);
}

/** Whether names are those of a search's network: edges that hold several operations. */
export function isSupernet(names: Iterable<string>): boolean {
  for (const name of names) if (candidateName.test(name) || isAlphaName(name)) return true;
  return false;
}

/** Whether a network may have a parameter of that name. */
export function isPart(name: string, { isLanguageModel }: Pick<StoredNetwork, 'isLanguageModel'>): boolean {
  return isLanguageModel ? isLanguagePart(name) : partName.test(name) || isAlphaName(name);
}
