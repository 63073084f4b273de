// Run directories as searches leave them, without a search: of any length, in no time, from a seed.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GenotypeCell } from '../../src/genotype/genotype.ts';
import { methods } from '../../src/methods/registry.ts';
import { runFormat, runVersions } from '../../src/run/config.ts';

/** What a made run is. */
export interface MadeRun {
  readonly epochs: number;
  readonly steps: number;
  readonly seed?: number;
  /** Over those of the quick preset. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Whether its end is told. */
  readonly finished?: boolean;
  readonly notices?: readonly string[];
}

const operations = [
  ...['none', 'max_pool_3x3', 'avg_pool_3x3', 'skip_connect'],
  ...['sep_conv_3x3', 'sep_conv_5x5', 'dil_conv_3x3', 'dil_conv_5x5'],
];
const nodes = 4;
const edges = Array.from({ length: nodes }, (_, node) =>
  Array.from({ length: node + 2 }, (_, input) => ({ node, input })),
).flat();
const cells = ['normal', 'reduce'] as const;

/** Writes the directory of a search by the method of DARTS; gives the lines of its journal. */
export function makeRun(directory: string, made: MadeRun): readonly string[] {
  mkdirSync(directory, { recursive: true });
  const lines = journalOf(made);
  writeFileSync(join(directory, 'config.json'), JSON.stringify(configOf(made)));
  writeFileSync(join(directory, 'journal.jsonl'), lines.map((line) => `${line}\n`).join(''));
  return lines;
}

/** The records of its journal, a line each. */
export function journalOf({ epochs, steps, seed = 0, settings, finished = true, notices = [] }: MadeRun): string[] {
  const random = randomFrom(seed);
  const told: object[] = [startOf({ epochs, steps, seed, settings, notices }), layout];
  // Each goes its way, not straight on: the cell changes for some time.
  const ways = cells.map(() => edges.map(() => operations.map(() => ({ speed: random() - 0.5, turn: 7 * random() }))));
  const wayAt = ({ speed, turn }: (typeof ways)[0][0][0], share: number) =>
    4 * speed * share + 0.9 * (Math.sin(turn + 5 * share) - Math.sin(turn)) * (1 - share);
  const alphaAt = (share: number) =>
    ways.map((rows) => rows.map((row) => row.map((way) => Number(wayAt(way, share).toPrecision(9)))));
  const tablesAt = (share: number) => Object.fromEntries(alphaAt(share).map((rows, i) => [`alphas_${cells[i]}`, rows]));
  told.push({ type: 'alpha', epoch: 0, step: 0, tables: tablesAt(0) });
  for (let epoch = 0; epoch < epochs; epoch++) {
    const fall = (at: number) => 0.4 + 2 * Math.exp((-4 * at) / epochs) + 0.1 * random();
    for (let step = 0; step < steps; step++) {
      const loss = fall(epoch + step / steps);
      const accuracy = Math.max(0, Math.min(1, 1 - loss / 2.5));
      const secondsLeft = (epochs - epoch) * steps - step;
      const measured = { loss, accuracy, validationLoss: loss + 0.1, imagesPerSecond: 300 + 50 * random() };
      told.push({ type: 'step', epoch, epochs, step, steps, ...measured, secondsLeft });
    }
    const share = (epoch + 1) / epochs;
    const alpha = alphaAt(share);
    const trainLoss = fall(epoch);
    told.push({
      ...{
        type: 'epoch',
        epoch,
        epochs,
        learningRate: 0.025 * (1 - share),
        trainLoss,
        trainAccuracy: 1 - trainLoss / 3,
      },
      ...{ validationLoss: trainLoss + 0.2, validationAccuracy: 1 - (trainLoss + 0.2) / 3, seconds: steps },
    });
    told.push({ type: 'genotype', epoch, genotype: genotypeOf(alpha) });
    told.push({ type: 'alpha', epoch, tables: tablesAt(share) });
  }
  if (finished) told.push({ type: 'result', epoch: epochs, genotype: genotypeOf(alphaAt(1)), validationAccuracy: 0.9 });
  return told.map((record) => JSON.stringify(record));
}

const layout = {
  ...{ type: 'layout', epoch: 0, step: 0, activation: 'softmax', nodes },
  tables: Object.fromEntries(
    cells.map((cell) => [
      cell,
      { name: `alphas_${cell}`, rows: edges.map((edge) => ({ ...edge, candidates: operations })) },
    ]),
  ),
};

const darts = methods.find(({ command, name }) => command === 'search' && name === 'darts')!;

function settingsOf({ epochs, settings }: Pick<MadeRun, 'epochs' | 'settings'>) {
  return { ...darts.presets['quick'].settings, epochs, ...settings };
}

function startOf({ epochs, steps, seed = 0, settings, notices }: MadeRun) {
  return {
    ...{ type: 'start', dataset: 'mnist', notices, imageShape: [28, 28, 1], classes: 10, run: 'search' },
    ...{ method: darts.name, space: 'darts', parameters: 28356, device: 'cpu (avx2, 2 threads)', seed },
    ...{ epochs, steps, settings: settingsOf({ epochs, settings }), versions: runVersions() },
    ...{ time: new Date(Date.UTC(2026, 0, 1 + (seed % 300))).toISOString(), epoch: 0, step: 0, resumed: false },
  };
}

function configOf({ epochs, seed = 0, settings }: MadeRun) {
  return {
    ...{ format: runFormat, command: 'search', method: darts.name, versions: runVersions(), seed },
    devices: [{ device: 'cpu (avx2, 2 threads)', epoch: 0, step: 0 }],
    settings: settingsOf({ epochs, settings }),
    dataset: { name: 'mnist', given: false, imageShape: [28, 28, 1], classes: 10, digest: '0'.repeat(64) },
    ...{ space: { name: 'darts', given: false }, graphs: {} },
  };
}

/** The two strongest edges of each node. */
function genotypeOf(alpha: readonly (readonly (readonly number[])[])[]) {
  const cellOf = (rows: readonly (readonly number[])[]): GenotypeCell => {
    const best = rows.map((row, edge) => {
      const kept = row.slice(1);
      const weight = Math.max(...kept);
      return { ...edges[edge], operation: operations[1 + kept.indexOf(weight)], weight };
    });
    const ofNode = (node: number) =>
      best
        .filter((edge) => edge.node === node)
        .sort((a, b) => b.weight - a.weight)
        .slice(0, 2)
        .map(({ operation, input }) => ({ operation, input }));
    return { nodes: Array.from({ length: nodes }, (_, node) => ofNode(node)), concat: [2, 3, 4, 5] };
  };
  return { normal: cellOf(alpha[0]), reduce: cellOf(alpha[1]) };
}

/** mulberry32: enough to look alive. */
function randomFrom(seed: number): () => number {
  let state = seed + 1;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
