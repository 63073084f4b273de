import { splitAverages } from '../backend/parameter_file.ts';
import { check } from '../checks.ts';
import { FileError } from '../errors.ts';
import type { WeightTensor } from '../io/safetensors.ts';
import { languageModelNames } from '../network/language_model.ts';
import { text } from '../option_rules.ts';
import { alphaPaths, isAlphaName, oneCellAlphaPaths } from './alphas.ts';
import { withoutChoices } from './cdarts_names.ts';
import {
  isBesideLanguageModel,
  isLanguageModel,
  isSearchedLanguageModel,
  languageAlphaEndings,
  untied,
} from './language_names.ts';
import { hasResidualBlocks } from './nasbench201_sizes.ts';
import { notFinite } from './not_finite.ts';
import { openTensors } from './open_tensors.ts';
import { translated } from './stacnas_names.ts';
import { findNetworks, isPart, isSupernet, type StoredNetwork } from './stored_networks.ts';
import type { TensorSource } from './tensor_source.ts';

/** Options of {@link readWeights}. */
export interface ReadWeightsOptions {
  /** Whether weights that were averaged over a training are taken where a file holds them beside the plain ones; true when absent. */
  readonly averages?: boolean;
}

/** The weights that a file holds. */
export interface WeightFile {
  readonly format: 'safetensors' | 'torch';
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, WeightTensor>;
  /** What a user should know of them, such as which of several networks they are, or that some are NaN; one line each. */
  readonly notices: readonly string[];
}

/** Which tensors are wanted: their paths in the file by the names that the network has for them. */
interface Choice {
  readonly paths: ReadonlyMap<string, string>;
  readonly notices: readonly string[];
}

/** Prefixes that data-parallel and compiled modules put before every name. */
const wrappers = ['module.', '_orig_mod.', 'model.'];

/** What counters of multiplications (thop) leave in every module: nothing of a network. */
const costCounter = /(?:^|\.)total_(?:ops|params)$/;

const mostShown = 5;

/**
 * Reads weights from a safetensors file or a PyTorch checkpoint (zip or legacy format), told apart by their first bytes. A network is
 * found wherever it is in the file, under whatever prefix; other tensors, such as an optimiser's, are left out. Architecture
 * parameters beside a supernet become its own, a language model has the table of words once (`encoder.weight`), names of StacNAS' code and of NNI's older versions ours, and what counters of cost leave behind is no tensor of it.
 * Nothing of a file is run. Throws FileError that names the file.
 */
export async function readWeights(path: string, options: ReadWeightsOptions = {}): Promise<WeightFile> {
  check('path', path, text('the path of a file'));
  const { source: given, ...file } = await openTensors(path);
  const whole = withoutChoices(translated(given));
  const source = { ...whole, paths: whole.paths.filter((name) => !costCounter.test(name)) };
  const networks = findNetworks(source.paths.filter((name) => !isOptimizer(name)));
  const { paths, notices } =
    networks.length > 0
      ? chooseNetwork(source, chosenOf(networks, file.metadata, options), networks, path)
      : chooseAll(source, options);
  if (paths.size === 0) throw new FileError(`${path} holds no weights`);
  const read = source.read([...paths.values()]);
  const named = new Map([...paths].map(([name, at]) => [name, read.get(at)!] as const));
  const tensors = isLanguageModel(named) ? untied(named, path) : named;
  return { ...file, tensors, notices: [...notices, ...notFinite(tensors, path)] };
}

/** Under which name a language model's checkpoint has the weights of its best epoch, which its metadata tell once there was one. */
const bestName = 'best';

/** Averages of a training are meant to be used; of a language model that is trained the best epoch's, which may be averages. */
function chosenOf(
  networks: readonly StoredNetwork[],
  metadata: Readonly<Record<string, string>>,
  { averages = true }: ReadWeightsOptions,
): StoredNetwork {
  const best = networks.find(isBest);
  if (best !== undefined) return averages && metadata[bestName] !== undefined ? best : networks[0];
  return networks.find(({ isAverage }) => isAverage === averages) ?? networks[0];
}

function isBest({ prefix, isLanguageModel }: StoredNetwork): boolean {
  return isLanguageModel && prefix === `${bestName}.`;
}

function chooseNetwork(
  { paths }: TensorSource,
  chosen: StoredNetwork,
  networks: readonly StoredNetwork[],
  path: string,
): Choice {
  const others = networks.filter((network) => network !== chosen);
  const named = paths
    .filter((name) => name.startsWith(chosen.prefix) && !isOptimizer(name))
    .filter((name) => !others.some(({ prefix }) => prefix.length > chosen.prefix.length && name.startsWith(prefix)))
    .map((name) => [name.slice(chosen.prefix.length), name] as const);
  const own = new Map(named.filter(([name]) => isPart(name, chosen)));
  const alphas = (chosen.isLanguageModel ? languageAlphasBeside : alphasBeside)(own, paths);
  const isBeside = chosen.isLanguageModel ? isBesideLanguageModel : () => false;
  const strays = named.filter(
    ([name, at]) => !isPart(name, chosen) && !isBeside(name) && ![...alphas.values()].includes(at),
  );
  return {
    paths: new Map([...own, ...alphas]),
    notices: [
      ...choiceNotices(chosen, others, path),
      ...(alphas.size > 0
        ? [`took ${[...alphas.values()].join(' and ')} of ${path} as its architecture parameters`]
        : []),
      ...strayNotices(
        strays.map(([name]) => name),
        path,
      ),
    ],
  };
}

/** The architecture parameters of a supernet that are not among its own tensors, by their names. */
function alphasBeside(own: ReadonlyMap<string, string>, paths: readonly string[]): Map<string, string> {
  const names = [...own.keys()];
  if (!isSupernet(names) || names.some(isAlphaName)) return new Map();
  const ours = paths.filter(isAlphaName);
  if (ours.length > 0) return new Map(ours.map((name) => [name, name]));
  return hasResidualBlocks(names) ? oneCellAlphaPaths(paths) : alphaPaths(paths);
}

function languageAlphasBeside(own: ReadonlyMap<string, string>, paths: readonly string[]): Map<string, string> {
  const isWhole = !isSearchedLanguageModel(own) || own.has(languageModelNames.alpha);
  return isWhole ? new Map() : alphaPaths(paths, languageAlphaEndings);
}

/** Of a file that holds no whole network: all of its state dict, or the averages of all of it. */
function chooseAll({ paths, root }: TensorSource, { averages = true }: ReadWeightsOptions): Choice {
  const named = paths
    .filter((path) => path.startsWith(root))
    .map((path) => [path.slice(root.length), path] as const)
    .filter(([name]) => !isOptimizer(name));
  const { own, average } = splitAverages(new Map(named));
  const isAveraged = averages && average.size > 0 && [...average.keys()].every((name) => own.has(name));
  return { paths: new Map(unwrapped(isAveraged ? [...average] : named)), notices: [] };
}

function unwrapped<T>(entries: readonly (readonly [string, T])[]): readonly (readonly [string, T])[] {
  const wrapper = wrappers.find((prefix) => entries.length > 0 && entries.every(([name]) => name.startsWith(prefix)));
  if (wrapper === undefined) return entries;
  return unwrapped(entries.map(([name, value]) => [name.slice(wrapper.length), value] as const));
}

function choiceNotices(chosen: StoredNetwork, others: readonly StoredNetwork[], path: string): string[] {
  if (others.length === 0) return [];
  const describe = (network: StoredNetwork) => {
    const { prefix, isAverage } = network;
    if (isBest(network)) return "the best epoch's weights";
    return `the ${isAverage ? 'averaged' : 'plain'} weights${prefix && ` ${prefix.slice(0, -1)}`}`;
  };
  const plain = others.some(({ isAverage }) => !isAverage);
  const hint = (chosen.isAverage || isBest(chosen)) && plain ? ' (--no-averages takes plain ones)' : '';
  return [`took ${describe(chosen)} of ${path}, not ${others.map(describe).join(' or ')}${hint}`];
}

function strayNotices(strays: readonly string[], path: string): string[] {
  if (strays.length === 0) return [];
  const more = strays.length > mostShown ? ` and ${strays.length - mostShown} more` : '';
  return [`left out of ${path}, since no network has them: ${strays.slice(0, mostShown).join(', ')}${more}`];
}

function isOptimizer(name: string): boolean {
  return /^optim\w*\./.test(name);
}
