// config.json of older versions in the form of today.
import { isRecord } from '../checks.ts';
import type { Method } from '../methods/method.ts';

type Config = Readonly<Record<string, unknown>>;

/** What the table of a method had in format 6. Settings that came later default to what was done before there were any. */
const settingsOfFormat6: Readonly<Record<string, readonly string[]>> = {
  darts: words(
    `batchSize epochs initChannels layers trainPortion learningRate learningRateMin momentum weightDecay gradClip archLearningRate
     archWeightDecay unrolled cutout cutoutLength precision`,
  ),
  train: words(
    `batchSize epochs initChannels layers stem learningRate schedule learningRateMin gamma warmupEpochs momentum weightDecay gradClip
     auxiliary auxiliaryWeight dropPathProb labelSmooth cutout cutoutLength mixup emaDecay randomResizedCrop autoAugment colorJitter
     hueJitter precision`,
  ),
};

function words(text: string): readonly string[] {
  return text.split(/\s+/);
}

/** A configuration of formats 5 and 6 in the form of format 7; any other as it is. */
export function upgraded(config: Config, methods: readonly Method[]): Config {
  const named = config['format'] === 5 ? withMethod(config) : config;
  return named['format'] === 6 ? withSettings(named, methods) : named;
}

/** Format 5 knew one method a command. */
function withMethod(config: Config): Config {
  const { kind, space, architecture, ...rest } = config;
  const common = { ...rest, format: 6, command: kind };
  if (kind === 'search' && isRecord(space)) {
    const { graphDigest, ...named } = space;
    return { ...common, method: 'darts', space: named, graphs: { supernet: graphDigest } };
  }
  if (kind !== 'train' || !isRecord(architecture)) return common;
  const { genotype, graphDigest } = architecture;
  return { ...common, method: 'train', genotype, graphs: { network: graphDigest } };
}

function withSettings({ settings, ...config }: Config, methods: readonly Method[]): Config {
  const method = methods.find(({ name, command }) => name === config['method'] && command === config['command']);
  const known = method && settingsOfFormat6[method.name];
  if (!isRecord(settings) || known === undefined) return { ...config, settings, format: 7 };
  const later = Object.entries(method!.settings).filter(([name]) => !known.includes(name));
  const defaults = Object.fromEntries(later.map(([name, rule]) => [name, rule.default]));
  return { ...config, settings: { ...defaults, ...settings }, format: 7 };
}
