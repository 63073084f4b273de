import type { Command } from 'commander';
import { benchmarkColumns } from '../benchmark/columns.ts';
import { convertNatsBench } from '../benchmark/convert.ts';
import { openNasBench201 } from '../benchmark/nas_bench.ts';
import { invalid } from '../errors.ts';
import { drawBenchmarkCurves } from '../report/draw_benchmark.ts';
import { rasterise } from '../report/rasterise.ts';
import { type BenchmarkCurve, benchmarkCurve } from '../run/benchmark_curve.ts';
import { invalidWord } from '../suggest.ts';
import { cellLines, convertedLines, curveLines, topLines } from './benchmark_report.ts';
import { formatDuration, formatExact, formatShare, wrapped } from './format.ts';
import { listenForInterrupt, worded } from './interrupt.ts';
import { createLiveLine } from './live_line.ts';
import { choiceParser, integerParser, type OptionParser, textParser } from './options.ts';
import { isLiveTerminal } from './paint.ts';
import { pictureFormat, writePicture } from './picture.ts';

const columnNames = benchmarkColumns.map(({ name }) => name);
const usualColumn = columnNames[0];

const examples = `
Examples:
  dartsmith benchmark nasbench201 query 6111 --data nasbench201.csv
  dartsmith benchmark nasbench201 top --by cifar100_test --data nasbench201.csv
  dartsmith benchmark nasbench201 convert NATS-tss-v1_0-3ffb9-simple.tar \\
    --out nasbench201.csv`;

const queryExamples = `
Examples:
  dartsmith benchmark nasbench201 query 6111 --data nasbench201.csv
  dartsmith benchmark nasbench201 query --data nasbench201.csv --json \\
    '|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|'

In a shell a structure needs its quotes. Also taken as the published code prints
it: 'Structure(4 nodes with |...|)'.`;

const topExamples = `
Examples:
  dartsmith benchmark nasbench201 top --data nasbench201.csv
  dartsmith benchmark nasbench201 top --by cifar10_valid_12ep --count 3 \\
    --data nasbench201.csv

Columns, of those that the table has:
  ${wrapped(columnNames.join(' '), 76)}`;

const curveExamples = `
Examples:
  dartsmith benchmark nasbench201 curve runs/darts --data nasbench201.csv
  dartsmith benchmark nasbench201 curve runs/darts runs/pt --out curve.png \\
    --data nasbench201.csv --by cifar10_test,cifar100_test

Epochs of a selection count on from those of its search; while it decides, weights
do not learn. Columns, of those that the table has:
  ${wrapped(columnNames.join(' '), 76)}`;

const convertExamples = `
Examples:
  dartsmith benchmark nasbench201 convert NATS-tss-v1_0-3ffb9-simple \\
    --out nasbench201.csv
  dartsmith benchmark nasbench201 convert NATS-tss-v1_0-3ffb9-simple.tar \\
    --out nasbench201.csv

The archive is that of github.com/D-X-Y/NATS-Bench, a pickled and compressed
file a cell. Nothing in it is run. All 15,625 take minutes.`;

/** What every question takes. */
interface TableFlags {
  readonly data: string;
  readonly incomplete?: boolean;
  readonly json?: boolean;
}

interface TopFlags extends TableFlags {
  readonly by?: string;
  readonly count?: number;
}

interface CurveFlags extends TableFlags {
  readonly by?: readonly string[];
  readonly out?: string;
}

interface ConvertFlags {
  readonly out: string;
  readonly incomplete?: boolean;
  readonly json?: boolean;
}

/** Adds `dartsmith benchmark`, with the commands of each benchmark below it. */
export function addBenchmarkCommand(program: Command): void {
  const command = program
    .command('benchmark')
    .summary('tables of networks that others have trained: NAS-Bench-201')
    .description('Asks tables of what networks of a search space come to, which others have trained and published.')
    .addHelpText('after', examples);
  const nasbench201 = command
    .command('nasbench201')
    .summary('15,625 cells, each trained on three datasets')
    .description('Asks a table of NAS-Bench-201 (arXiv:2001.00326), a CSV file, or makes one.')
    .addHelpText('after', examples);
  addQuery(nasbench201);
  addTop(nasbench201);
  addCurve(nasbench201);
  addConvert(nasbench201);
}

function addQuery(command: Command): void {
  const query = command
    .command('query')
    .summary('what a cell comes to')
    .description('Prints the accuracies of a cell, its rank, and the cells that are isomorphic to it.')
    .argument('<cell>', "its index, or its structure as '|op~0|+|op~0|op~1|+|op~0|op~1|op~2|'");
  addTableOptions(query).addHelpText('after', queryExamples).action(runQuery);
}

function addTop(command: Command): void {
  const top = command
    .command('top')
    .summary('the best cells')
    .description('Prints the cells of the highest accuracies.')
    .option('--by <column>', `the accuracy (default: ${usualColumn})`, choiceParser('--by', columnNames))
    .option('--count <number>', 'how many cells (default: 10)', integerParser('--count', 1));
  addTableOptions(top).addHelpText('after', topExamples).action(runTop);
}

function addCurve(command: Command): void {
  const curve = command
    .command('curve')
    .summary('what the cells of searches came to, epoch by epoch')
    .description(
      "Prints and draws the table's accuracies of the cell that a search or a selection stood at after each epoch.",
    )
    .argument('<runs...>', 'run directories of the space nasbench201')
    .option(
      '--by <columns>',
      'accuracies, with commas between them (default: the test accuracies after 200 epochs)',
      columnsParser('--by'),
    )
    .option('-o, --out <file>', 'draw the curves: x.svg or x.png', textParser('--out', 'a file name'));
  addTableOptions(curve).addHelpText('after', curveExamples).action(runCurve);
}

/** Names of columns with commas between them. */
export function columnsParser(flag: string): OptionParser<string[]> {
  return (text) => {
    const names = text.split(',').map((name) => name.trim());
    const unknown = names.find((name) => !columnNames.includes(name));
    if (text.trim() === '') throw invalid(flag, 'names of columns', text);
    if (unknown !== undefined) throw invalidWord(flag, columnNames, unknown);
    return names;
  };
}

function addConvert(command: Command): void {
  command
    .command('convert')
    .summary("a table of NATS-Bench's archive")
    .description(
      'Reads the archive of the topology space of NATS-Bench and writes a table of all accuracies that it has.',
    )
    .argument('<archive>', 'NATS-tss-v1_0-3ffb9-simple: the folder, or the tar of it')
    .requiredOption('-o, --out <file>', 'the CSV file to write', textParser('--out', 'a file name'))
    .option('--incomplete', 'take an archive that lacks cells')
    .option('--json', 'print one JSON object')
    .addHelpText('after', convertExamples)
    .action(runConvert);
}

function addTableOptions(command: Command): Command {
  return command
    .requiredOption('--data <file>', 'the table: CSV, such as convert writes', textParser('--data', 'a file'))
    .option('--incomplete', 'take a table that lacks cells; ranks are then of those that it has')
    .option('--json', 'print one JSON object');
}

async function runQuery(text: string, { data, incomplete, json }: TableFlags): Promise<void> {
  const bench = await openNasBench201(data, { incomplete });
  const cell = bench.query(/^\d+$/.test(text) ? Number(text) : text);
  process.stdout.write(`${json ? JSON.stringify(cell) : cellLines(cell, data).join('\n')}\n`);
}

async function runTop({ data, incomplete, json, by = usualColumn, count = 10 }: TopFlags): Promise<void> {
  const bench = await openNasBench201(data, { incomplete });
  const cells = bench.top(by, count);
  const column = bench.columns.find(({ name }) => name === by)!;
  process.stdout.write(`${json ? JSON.stringify({ ...column, cells }) : topLines(column, cells).join('\n')}\n`);
}

async function runCurve(runs: readonly string[], { data, incomplete, json, by, out }: CurveFlags): Promise<void> {
  // The file name is judged first: it is the cheaper mistake to find.
  const format = out === undefined ? undefined : pictureFormat(out, ['svg', 'png']);
  const bench = await openNasBench201(data, { incomplete });
  const curves: BenchmarkCurve[] = [];
  for (const run of runs) curves.push(await benchmarkCurve(run, bench, { ...(by && { columns: by }) }));
  const lines = json ? curves.map((curve) => JSON.stringify(curve)) : curveLines(curves);
  for (const line of lines) process.stdout.write(`${line}\n`);
  if (format === undefined) return;
  const svg = drawBenchmarkCurves(curves);
  await writePicture(format === 'svg' ? svg : await rasterise(svg), out);
}

async function runConvert(archive: string, { out, incomplete, json }: ConvertFlags): Promise<void> {
  const interrupt = listenForInterrupt(() => {});
  const live = isLiveTerminal(process.stderr, process.env) ? createLiveLine(process.stderr) : undefined;
  const begun = performance.now();
  const onProgress = (done: number, cells: number) => {
    const left = ((performance.now() - begun) / 1000 / done) * (cells - done);
    const text = `${formatExact(done)} of ${formatExact(cells)} cells  ${formatShare(done / cells)}  ${formatDuration(left)} left`;
    live?.draw((room) => text.slice(0, room));
  };
  try {
    const table = await convertNatsBench({ archive, out, incomplete, signal: interrupt.signal, onProgress });
    live?.close();
    process.stdout.write(`${json ? JSON.stringify(table) : convertedLines(table).join('\n')}\n`);
  } catch (error) {
    throw worded(error);
  } finally {
    live?.close();
    interrupt[Symbol.dispose]();
  }
}
