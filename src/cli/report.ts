import type { Command } from 'commander';
import type { Method } from '../methods/method.ts';
import { writeReport } from '../run/report.ts';
import { textParser } from './options.ts';

const examples = `
Examples:
  dartsmith report runs/mine --out mine.html
  dartsmith report runs/darts-1 runs/darts-2 runs/darts-3 --out darts.html
  dartsmith report runs --out all.html --figures figures

The page needs no script and loads nothing. Runs that differ in their seeds
alone are drawn as their mean with its 95% confidence band.`;

/** Options of the command line. */
interface ReportFlags {
  readonly out: string;
  readonly figures?: string;
}

/** Adds `dartsmith report`. */
export function addReportCommand(program: Command, methods: readonly Method[]): void {
  program
    .command('report')
    .summary('write what runs have to show as one HTML file, with its figures')
    .description(
      'Writes one HTML file with the curves, histories, cells, decisions, settings and logs of runs, and compares those of one command and dataset; its figures lie beside it as SVG and PNG.',
    )
    .argument('<runs...>', 'run directories, or folders with runs')
    .requiredOption('-o, --out <file>', 'x.html', textParser('--out', 'a file name'))
    .option('--figures <folder>', 'where figures go (default: x-figures)', textParser('--figures', 'a folder'))
    .addHelpText('after', examples)
    .action(async (runs: readonly string[], { out, figures }: ReportFlags) => {
      const { files, problems } = await writeReport(runs, { out, methods, ...(figures !== undefined && { figures }) });
      for (const problem of problems) process.stderr.write(`${problem}\n`);
      const [page, ...drawn] = files;
      process.stdout.write(`wrote ${page}\n`);
      if (drawn.length > 0) process.stdout.write(`and ${drawn.length} figures beside it, such as ${drawn[0]}\n`);
    });
}
