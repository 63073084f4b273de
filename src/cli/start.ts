import type { Device } from '../backend/device.ts';
import { type DatasetName, loadDataset } from '../data/load.ts';
import { ArgumentError } from '../errors.ts';
import { buildSupernet } from '../network/supernet.ts';
import { costOf } from '../report/cost.ts';
import { openRunDirectory } from '../run/directory.ts';
import type { SearchOptions } from '../run/options.ts';
import { presets, resolveSettings, type SearchSettings } from '../search/settings.ts';
import { formatCount } from './format.ts';

/** What a search begins with, read from its options or from the run that goes on. */
interface Start {
  readonly dataset: DatasetName;
  readonly dataDir?: string;
  readonly limit?: number;
  readonly space: string;
  readonly settings: SearchSettings;
}

/**
 * Lines for people before a search begins: data, network and device in one, then what is to be known about the data.
 * Reads the dataset, which the search will read again: its events tell nothing of it. Throws what the search would.
 */
export async function describeStart(options: SearchOptions, device: Device): Promise<string[]> {
  const { dataset: name, dataDir, limit, space, settings } = await readStart(options);
  const { initChannels, layers, trainPortion } = settings;
  const dataset = await loadDataset(name, { dataDir, limit, signal: options.signal });
  const { shape, labels } = dataset.train;
  const train = Math.floor(labels.length * trainPortion);
  const { graph } = buildSupernet({ space, inputShape: shape, classes: dataset.classes, initChannels, layers });
  const line = [
    `${dataset.name}, ${train} training and ${labels.length - train} validation images ${shape.join('x')}`,
    `supernet of ${layers} cells, ${formatCount(costOf(graph).parameters)} parameters`,
    device.description,
  ].join('; ');
  return [options.resume === undefined ? line : `resuming ${options.resume}: ${line}`, ...dataset.notices];
}

async function readStart(options: SearchOptions): Promise<Start> {
  if (options.resume !== undefined) return readResumed(options.resume);
  const { dataset = 'mnist', preset = 'quick', space = 'darts', dataDir, limit = presets[preset].limit } = options;
  if (typeof dataset !== 'string' || typeof space !== 'string') throw new ArgumentError('expected names, not objects');
  return { dataset, dataDir, limit, space, settings: resolveSettings(preset, options.settings) };
}

async function readResumed(directory: string): Promise<Start> {
  const { config } = await openRunDirectory(directory);
  for (const option of ['dataset', 'space'] as const) {
    if (!config[option].given) continue;
    throw new ArgumentError(`${directory} began with a ${option} of its own: resume it from the program that began it`);
  }
  const { name, dataDir, limit } = config.dataset;
  return { dataset: name as DatasetName, dataDir, limit, space: config.space.name, settings: config.settings };
}
