// Reports of runs: one HTML file, and its pictures beside it.
import { mkdir } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { aName, check, checkOptional, checkOptions, listOf, type Rule } from '../checks.ts';
import { BackendError, FileError, invalid, messageOf } from '../errors.ts';
import { writeFileAtomic } from '../io/atomic.ts';
import { fileError } from '../io/file_error.ts';
import type { Method } from '../methods/method.ts';
import { methods as builtIn } from '../methods/registry.ts';
import { rasterise } from '../report/rasterise.ts';
import type { Figure } from '../report/report_figures.ts';
import { reportPage } from '../report/report_page.ts';
import type { RunView } from '../report/run_view.ts';
import { findRuns } from './find_runs.ts';
import { readRunView } from './view.ts';

/** Options of {@link writeReport}. */
export interface WriteReportOptions {
  /** The HTML file. */
  readonly out: string;
  /** Folder of the figures; that of the page's name without `.html` and with `-figures` when absent. */
  readonly figures?: string;
  readonly methods?: readonly Method[];
}

/** What was written. */
export interface WrittenReport {
  readonly files: readonly string[];
  readonly runs: number;
  /** Of what could not be read or drawn, a line each. */
  readonly problems: readonly string[];
}

/**
 * Writes what runs have to show as one HTML file that needs no script and loads nothing, and its figures as SVG and PNG. A source is a run
 * directory or a folder with runs; those that cannot be read are told of, and the rest is shown. Throws ArgumentError, and FileError where there is
 * no run at all or a file cannot be written.
 */
export async function writeReport(sources: readonly string[], options: WriteReportOptions): Promise<WrittenReport> {
  check('sources', sources, listOf(aName, 'a list of run directories'));
  if (sources.length === 0) throw invalid('sources', 'a run directory at least', sources);
  checkOptions('options', options, ['out', 'figures', 'methods']);
  const { out, methods = builtIn } = options;
  check('out', out, aPage);
  checkOptional('figures', options.figures, aName);
  const folder = options.figures ?? `${out.replace(/\.html?$/i, '')}-figures`;
  const { views, problems } = await readViews(sources, methods);
  if (views.length === 0) throw new FileError(problems.join('; '));
  const report = await reportPage(views, problems);
  const drawn = await writeFigures(folder, report.figures);
  await writeFileAtomic(out, report.html);
  const told = views.flatMap((view) => view.problems.map((problem) => `${view.name}: ${problem}`));
  return {
    files: [out, ...drawn.files],
    runs: views.length,
    problems: [...report.problems, ...told, ...drawn.problems],
  };
}

const aPage: Rule = {
  words: 'a file name that ends in .html',
  holds: (name) => typeof name === 'string' && /.\.html?$/i.test(name),
};

/** A run that is named twice is read once. */
async function readViews(
  sources: readonly string[],
  methods: readonly Method[],
): Promise<{ views: RunView[]; problems: string[] }> {
  const problems: string[] = [];
  const tell = (error: unknown) => problems.push(messageOf(error));
  const found = new Set<string>();
  for (const source of sources) {
    try {
      for (const directory of await runsOf(source)) found.add(directory);
    } catch (error) {
      tell(error);
    }
  }
  const views: RunView[] = [];
  const parent = commonParent([...found]);
  for (const directory of found) {
    try {
      views.push(await readRunView(directory, { name: relative(parent, directory), methods }));
    } catch (error) {
      tell(error);
    }
  }
  return { views, problems };
}

/** The deepest folder that all of them lie in: what their names need not repeat. */
function commonParent(directories: readonly string[]): string {
  const [first = [], ...others] = directories.map((directory) => dirname(directory).split(sep));
  const depth = first.findIndex((part, index) => others.some((other) => other[index] !== part));
  return first.slice(0, depth < 0 ? undefined : depth).join(sep) || sep;
}

/** A run itself, and those in its folder: a training that followed it, or all in a folder that is no run. */
async function runsOf(source: string) {
  const found = await findRuns(source);
  if (found.length === 0)
    throw new FileError(`${source} holds no run: expected a run directory, or a folder with some`);
  return found.map(({ directory }) => resolve(directory));
}

/** Without a renderer of PNG on this platform SVG is all there is. */
async function writeFigures(
  folder: string,
  figures: readonly Figure[],
): Promise<{ files: string[]; problems: string[] }> {
  await mkdir(folder, { recursive: true }).catch((error: unknown): never => {
    throw fileError('write', folder, error);
  });
  const files: string[] = [];
  const problems = new Set<string>();
  for (const { name, svg, moves } of figures) {
    const path = join(folder, name);
    await writeFileAtomic(`${path}.svg`, svg);
    files.push(`${path}.svg`);
    if (moves) continue;
    const png = await rasterise(svg).catch((error: unknown) => {
      if (!(error instanceof BackendError)) throw error;
      problems.add(error.message);
      return undefined;
    });
    if (png === undefined) continue;
    await writeFileAtomic(`${path}.png`, png);
    files.push(`${path}.png`);
  }
  return { files, problems: [...problems] };
}
