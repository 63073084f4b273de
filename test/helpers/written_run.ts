// Run directories as they lie on disk, written record by record: what shows them needs no search to be tested.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Genotype } from '../../src/genotype/genotype.ts';

/** What a search of DARTS that was written has. */
export interface WrittenSearch {
  readonly seed?: number;
  /** What every epoch came to. */
  readonly genotypes: readonly Genotype[];
  /** By epoch. */
  readonly accuracies?: readonly number[];
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly notices?: readonly string[];
  readonly isFinished?: boolean;
  /** Of the start, over those that a search has. */
  readonly start?: Readonly<Record<string, unknown>>;
}

const candidates = ['none', 'skip_connect', 'sep_conv_3x3'];
const row = (node: number, input: number) => ({ node, input, candidates });
const rows = [row(0, 0), row(0, 1), row(1, 0), row(1, 1), row(1, 2)];
const tables = { normal: { name: 'n', rows }, reduce: { name: 'r', rows } };

/** The records of a search's journal, two steps an epoch. */
export function searchRecords(search: WrittenSearch): object[] {
  const { seed = 0, genotypes, accuracies, settings = {}, notices = [], isFinished = true, start = {} } = search;
  const epochs = Math.max(1, genotypes.length);
  const alphaAt = (share: number) => rows.map((_, i) => candidates.map((_, j) => share * Math.sin(i + j + seed)));
  const tablesAt = (share: number) => ({ n: alphaAt(share), r: alphaAt(-share) });
  const accuracyAt = (epoch: number) => accuracies?.[epoch] ?? 0.1 + 0.1 * epoch + 0.01 * seed;
  return [
    {
      ...{
        type: 'start',
        run: 'search',
        method: 'darts',
        dataset: 'mnist',
        space: 'darts',
        device: 'cpu',
        seed,
        epochs,
        steps: 2,
      },
      ...{ settings: { batchSize: 4, ...settings }, versions: { dartsmith: '0.2.0' }, notices },
      ...{ time: '2026-01-02T03:04:05.678Z', epoch: 0, step: 0, resumed: false },
      ...start,
    },
    { type: 'layout', epoch: 0, step: 0, activation: 'softmax', nodes: 2, tables },
    { type: 'alpha', epoch: 0, step: 0, tables: tablesAt(0) },
    ...genotypes.flatMap((genotype, epoch) => [
      ...[0, 1].map((step) => ({ type: 'step', epoch, epochs, step, steps: 2, loss: 2 - 0.1 * epoch, accuracy: 0.5 })),
      { type: 'alpha', epoch, tables: tablesAt((epoch + 1) / epochs) },
      {
        ...{
          type: 'epoch',
          epoch,
          epochs,
          learningRate: 0.1 / (epoch + 1),
          trainLoss: 2 - 0.1 * epoch,
          trainAccuracy: 0.5,
        },
        ...{ validationLoss: 2 - 0.05 * epoch - 0.01 * seed, validationAccuracy: accuracyAt(epoch), seconds: 1 },
      },
      { type: 'genotype', epoch, genotype },
    ]),
    ...(isFinished && genotypes.length > 0
      ? [{ type: 'result', epoch: epochs, genotype: genotypes.at(-1), validationAccuracy: accuracyAt(epochs - 1) }]
      : []),
  ];
}

/** Writes a journal of records, or of lines as they stand. */
export function writeJournal(directory: string, records: readonly (object | string)[]): string {
  mkdirSync(directory, { recursive: true });
  const lines = records.map((record) => `${typeof record === 'string' ? record : JSON.stringify(record)}\n`);
  writeFileSync(join(directory, 'journal.jsonl'), lines.join(''));
  return directory;
}
