// What config.json tells of a run: written when it begins, held against what it is when it goes on.
import { isDeepStrictEqual } from 'node:util';
import type { Device } from '../backend/device.ts';
import type { Dataset, ImageSet } from '../data/dataset.ts';
import { listed } from '../data/files.ts';
import { dataDigest, isCorpus } from '../data/run_data.ts';
import type { Corpus } from '../data/text/corpus.ts';
import { FileError } from '../errors.ts';
import type { MethodDescription, Position } from '../methods/method.ts';
import { inWords } from '../words.ts';
import { graphDigest, type RunConfig, runFormat, runVersions } from './config.ts';
import type { RunDescription } from './describe.ts';
import { type RecordedRun, type RunFiles, writeConfig } from './directory.ts';

/** What config.json tells of a new run. */
export function configOf(
  description: RunDescription,
  { dataset, graphs, space: spaceName = '' }: MethodDescription,
  device: string,
  digest: string,
): RunConfig {
  const { method, settings, seed, space, genotype, before, training, source } = description;
  return {
    format: runFormat,
    command: method.command,
    method: method.name,
    versions: runVersions(),
    devices: [{ device, epoch: 0, step: 0 }],
    seed,
    settings,
    dataset: {
      ...imagesOf(description),
      ...(isCorpus(dataset) ? wordsIn(dataset) : shownIn(dataset)),
      digest,
    },
    ...(space !== undefined &&
      source === undefined && { space: { name: spaceName, given: typeof space !== 'string' } }),
    ...(genotype !== undefined && { genotype }),
    ...(before !== undefined && { before }),
    ...(source !== undefined && { source }),
    ...(training !== undefined && { training }),
    graphs: digestsOf(graphs),
  };
}

function shownIn({ train, classes, classNames }: Dataset<ImageSet>) {
  return { imageShape: train.shape, classes, classNames: classNames.length > 0 ? classNames : undefined };
}

function wordsIn({ vocabulary: { words, digest } }: Corpus) {
  return { words: words.length, vocabulary: digest };
}

/** The data that options ask for. */
function imagesOf(description: RunDescription) {
  const { dataset, dataDir, limit, usualLimit, imageSize, colourProfile, validationPortion } = description;
  const named = typeof dataset === 'string';
  return {
    name: named ? dataset : dataset.name,
    given: !named,
    dataDir,
    limit: named ? (limit ?? usualLimit) : undefined,
    ...{ imageSize, colourProfile, validationPortion },
  };
}

/**
 * What a run that is there has otherwise than one that options ask for, in words such as `epochs 2 rather than 1`; undefined where they are
 * the same. Its data may lie elsewhere.
 */
export function differenceFrom(config: RunConfig, description: RunDescription): string | undefined {
  const { settings, seed, genotype } = description;
  const { dataDir: _, ...images } = imagesOf(description);
  const there: Readonly<Record<string, unknown>> = config.dataset;
  const values: readonly (readonly [name: string, there: unknown, asked: unknown])[] = [
    ...Object.entries(settings).map(([name, asked]) => [name, config.settings[name], asked] as const),
    ['seed', config.seed, seed],
    ...Object.entries(images).map(([name, asked]) => [`dataset ${name}`, there[name], asked] as const),
  ];
  const other = values.find(([, is, asked]) => is !== asked);
  if (other === undefined) return isDeepStrictEqual(config.genotype, genotype) ? undefined : 'another genotype';
  const [name, is = 'none', asked = 'none'] = other;
  return `${inWords(name)} ${is} rather than ${asked}`;
}

function digestsOf(graphs: MethodDescription['graphs']): RunConfig['graphs'] {
  return Object.fromEntries(Object.entries(graphs).map(([name, graph]) => [name, graphDigest(graph)]));
}

/** Holds a run's data and networks to the recorded ones: the data may lie elsewhere, but not be others. Throws FileError. */
export async function checkRecorded(
  { files, config }: Pick<RecordedRun, 'files' | 'config'>,
  { dataset, graphs, space }: MethodDescription,
  dataDir: string | undefined,
): Promise<void> {
  if (config.dataset.digest !== (await dataDigest(dataset))) {
    const place = dataDir === undefined ? '' : ` in ${dataDir}`;
    const what = isCorpus(dataset) ? 'another text' : 'other images or another normalisation';
    throw new FileError(`${files.config} expects ${what}: dataset '${dataset.name}'${place} has changed`);
  }
  if (!isCorpus(dataset)) checkClassNames(config, dataset, files);
  for (const [name, digest] of Object.entries(digestsOf(graphs))) {
    if (config.graphs[name] === digest) continue;
    const why = space === undefined ? 'this version builds its genotype otherwise' : `space '${space}' has changed`;
    throw new FileError(`${files.config} expects another ${name}: ${why}`);
  }
}

/** The digest of images in memory knows labels by number alone. */
function checkClassNames({ dataset }: RunConfig, { classNames }: Dataset<ImageSet>, { config }: RunFiles): void {
  const recorded = dataset.classNames;
  if (recorded === undefined || recorded.join('\0') === classNames.join('\0')) return;
  throw new FileError(`${config} expects the classes ${listed(recorded)}, found ${listed(classNames)}`);
}

/** Tells in the configuration of a resumed run that it goes on with another device, or with data that lie elsewhere. */
export async function recordChanges(
  { files, config, dataDir }: RunDescription,
  device: Device,
  at: Position,
): Promise<void> {
  if (files === undefined || config === undefined) return;
  const isSame = config.devices.at(-1)?.device === device.description;
  if (isSame && config.dataset.dataDir === dataDir) return;
  const { epoch, step } = at;
  const devices = isSame ? config.devices : [...config.devices, { device: device.description, epoch, step }];
  await writeConfig(files, { ...config, devices, dataset: { ...config.dataset, dataDir } });
}
