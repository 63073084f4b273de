import type { Command } from 'commander';
import { invalid } from '../errors.ts';
import { writePublishedHistory } from '../exchange/published_history.ts';
import type { CellKey } from '../genotype/genotype.ts';
import { skipName } from '../operation/operations.ts';
import { type HistoryOptions, readHistory } from '../run/select.ts';
import type { MixingHistory } from '../select/history.ts';
import { type SelectionRule, usualSelection } from '../select/rules.ts';
import { type OperationCounts, operationCounts, operationsOf } from '../select/statistics.ts';
import { formatShare, formatTable } from './format.ts';
import { addHistoryOptions, cellHelp, cellsTold, historyOf, historySourceHelp } from './history_options.ts';
import { textParser } from './options.ts';

const examples = `
Examples:
  dartsmith history runs/mine
  dartsmith history runs/darts runs/fairdarts --cell normal
  dartsmith history runs/mine --counts
  dartsmith history runs/mine --write published     # for tools that read the published code's files

dartsmith draw --history draws it.`;

/** Options of the command line. */
interface Given extends HistoryOptions {
  readonly by?: SelectionRule;
  readonly threshold?: number;
  readonly cell?: CellKey;
  readonly counts?: boolean;
  readonly json?: boolean;
  readonly write?: string;
}

/** A search with its figures. */
interface Told {
  readonly source: string;
  readonly history: MixingHistory;
  readonly by: SelectionRule;
  readonly threshold: number;
  readonly cells: readonly (readonly [CellKey, readonly OperationCounts[]])[];
}

/** Adds `dartsmith history`. */
export function addHistoryCommand(program: Command): void {
  const command = program
    .command('history')
    .summary('skip connections and other operations of searches, epoch by epoch')
    .description(
      "Prints by epoch the skip connections in a search's genotype and on its edges, of several searches to compare them.",
    )
    .argument('<sources...>', `each ${historySourceHelp}`);
  addHistoryOptions(command);
  command
    .option('--cell <name>', cellHelp, textParser('--cell', 'a cell'))
    .option('--counts', 'print every operation: edges that it leads, and edges on which it reaches the threshold')
    .option('--json', 'print all of it as JSON Lines, one an epoch and cell')
    .option(
      '--write <folder>',
      "write history_weight.json and .npy files as FairDARTS' code does, of one search",
      textParser('--write', 'a folder'),
    )
    .addHelpText('after', examples)
    .action(tell);
}

async function tell(sources: readonly string[], given: Given): Promise<void> {
  const { cell, write } = given;
  if (write !== undefined && sources.length > 1) throw invalid('--write', 'one search beside it', sources.length);
  if (write !== undefined) {
    const history = await readHistory(sources[0], historyOf(given));
    for (const file of await writePublishedHistory(write, history)) process.stdout.write(`wrote ${file}\n`);
    return;
  }
  const told: Told[] = [];
  for (const source of sources) {
    const history = await readHistory(source, historyOf(given));
    const { by, threshold } = usualSelection(history, given);
    const cells = cellsTold(history, cell).map((key) => {
      return [key, operationCounts(history, key, { by, threshold })] as const;
    });
    told.push({ source, history, by, threshold, cells });
  }
  const lines = given.json ? jsonLines(told) : given.counts ? countTables(told) : skipTable(told);
  for (const line of lines) process.stdout.write(`${line}\n`);
}

function jsonLines(told: readonly Told[]): string[] {
  return told.flatMap(({ source, by, threshold, cells }) =>
    cells.flatMap(([cell, counts]) => counts.map((at) => JSON.stringify({ source, cell, by, threshold, ...at }))),
  );
}

/** A row an epoch of every search and cell. */
function skipTable(told: readonly Told[]): string[] {
  const head = ['search', 'rule', 'cell', 'epochs', 'entries', 'skips', 'skip share', 'edges led', 'led share'];
  const rows = told.flatMap(({ source, by, cells }) =>
    cells.flatMap(([cell, counts]) =>
      counts.map(({ epoch, edges, entries, skips, largest }) => {
        const led = largest[skipName] ?? 0;
        const share = entries === 0 ? '-' : formatShare(skips / entries);
        return [source, by, cell, epoch, entries, skips, share, `${led}/${edges}`, formatShare(led / edges)].map(
          String,
        );
      }),
    ),
  );
  return formatTable([head, ...rows], [3, 4, 5, 6, 7, 8]);
}

/** A table a search and cell: a row an epoch, a column an operation. */
function countTables(told: readonly Told[]): string[] {
  return told.flatMap(({ source, history, threshold, cells }) =>
    cells.flatMap(([cell, counts], index) => {
      const operations = operationsOf(history, cell);
      const head = ['epochs', ...operations];
      const rows = counts.map(({ epoch, largest, atThreshold }) => [
        String(epoch),
        ...operations.map((name) => `${largest[name]} / ${atThreshold[name]}`),
      ]);
      const title = `${source}, ${cell} cell: edges that each operation leads / on which it reaches ${threshold}`;
      return [
        ...(index > 0 ? [''] : []),
        title,
        ...formatTable(
          [head, ...rows],
          head.map((_, column) => column),
        ),
      ];
    }),
  );
}
