import type { Command } from 'commander';
import { ArgumentError, invalid } from '../errors.ts';
import { drawGenotype, type PictureFormat } from '../report/draw.ts';
import { type DrawHistoryOptions, drawHistory, historyKinds } from '../report/draw_history.ts';
import { type DrawScoresOptions, drawScores } from '../report/draw_scores.ts';
import { rasterise } from '../report/rasterise.ts';
import { readDecisions } from '../run/decisions.ts';
import { type HistoryOptions, readHistory } from '../run/select.ts';
import { criteria } from '../select/absence.ts';
import { animate } from './animate.ts';
import { genotypeArgument, genotypeArgumentHelp } from './genotype_argument.ts';
import { addHistoryOptions, cellHelp, cellsTold, historyOf } from './history_options.ts';
import { choiceParser, flagOf, numberParser, textParser } from './options.ts';
import { pictureFormat, writePicture } from './picture.ts';
import { publishedNames } from './published_names.ts';

const formats: readonly PictureFormat[] = ['svg', 'png', 'dot'];

const examples = `
Examples:
  dartsmith draw DARTS_V2 --out cells.svg
  dartsmith draw runs/mnist-20250101-120000 --out cells.png
  dartsmith draw DARTS_V2_RNN --out cell.png
  dartsmith draw DARTS_V2 | dot -Tpdf > cells.pdf
  dartsmith draw --history runs/mine --kind area --out area.png
  dartsmith draw --history runs/darts runs/fairdarts --kind skips --out skips.svg
  dartsmith draw --scores runs/pt --out scores.png
  dartsmith draw --animate runs/mine --out search.gif

Published names:
  ${publishedNames()}`;

/** Options of the command line. */
interface Given
  extends HistoryOptions,
    Pick<DrawHistoryOptions, 'kind' | 'cell' | 'by' | 'threshold'>,
    Pick<DrawScoresOptions, 'projCrit'> {
  readonly out?: string;
  readonly history?: readonly string[];
  readonly scores?: string;
  readonly animate?: string;
  readonly fps?: number;
}

/** What says nothing of a genotype. */
const ofHistories = ['kind', 'cell', 'by', 'threshold', 'stage', 'candidates', 'activation'] as const;

/** Adds `dartsmith draw`. */
export function addDrawCommand(program: Command): void {
  const command = program
    .command('draw')
    .summary('draw the cells of a genotype, how a search went, or what a selection scored')
    .description(
      'Draws the cells of a genotype, those of a search as an animation, how its mixing weights moved, or the scores that a selection decided by.',
    )
    .argument('[genotype]', genotypeArgumentHelp)
    .option(
      '-o, --out <file>',
      'x.svg, x.png or, of a genotype, x.dot, of an animation x.svg or x.gif (default: DOT text or, of a run, SVG on stdout)',
      textParser('--out', 'a file name'),
    )
    .optionsGroup('How searches went:')
    .option('--history <sources...>', "draw searches: run directories, or what FairDARTS' code left")
    .option('--kind <name>', `${historyKinds.join(', ')} (default: grid)`, choiceParser('--kind', historyKinds))
    .option('--cell <name>', cellHelp, textParser('--cell', 'a cell'));
  addHistoryOptions(command);
  command
    .optionsGroup('What a selection by projection scored:')
    .option(
      '--scores <run>',
      'draw decision by decision how the supernet did without each',
      textParser('--scores', 'a run directory'),
    )
    .option('--proj-crit <name>', 'acc or loss (default: what decided)', choiceParser('--proj-crit', criteria));
  command
    .optionsGroup('The cells of a search as an animation:')
    .option(
      '--animate <run>',
      'draw the genotypes of a run, epoch by epoch, of all its stages or of --stage; a GIF needs sharp',
      textParser('--animate', 'a run directory'),
    )
    .option(
      '--fps <number>',
      'epochs a second, from 0.1 to 50 (default: all in about 15 s)',
      numberParser('--fps', 0.1),
    )
    .addHelpText('after', examples)
    .action(draw);
}

async function draw(argument: string | undefined, given: Given): Promise<void> {
  const { out, history, scores, projCrit, fps } = given;
  if (given.animate !== undefined) return animation(argument, given.animate, given);
  if (fps !== undefined) throw new ArgumentError('--fps is for --animate: nothing else moves');
  if (scores !== undefined) return drawScoresOf(argument, scores, given);
  if (projCrit !== undefined) throw new ArgumentError('--proj-crit is for --scores: nothing else has scores');
  if (history !== undefined) return drawHistories(argument, history, given);
  if (argument === undefined) {
    throw new ArgumentError(
      'expected a genotype to draw, or --history with a search, or --scores with a selection, or --animate with either',
    );
  }
  const surplus = ofHistories.find((name) => given[name] !== undefined);
  if (surplus !== undefined) throw new ArgumentError(`--${surplus} is for --history: a genotype is drawn as it is`);
  // The file name is judged first: it is the cheaper mistake to find.
  const format = out === undefined ? 'dot' : pictureFormat(out, formats);
  const { genotype } = await genotypeArgument(argument);
  await writePicture(await drawGenotype(genotype, format), out);
}

/** What an animation does not take. */
const notOfAnimations = [
  'history',
  'scores',
  'kind',
  'cell',
  'by',
  'threshold',
  'candidates',
  'activation',
  'projCrit',
] as const;

async function animation(argument: string | undefined, run: string, given: Given): Promise<void> {
  const surplus = notOfAnimations.find((name) => given[name] !== undefined);
  const other = surplus === undefined ? argument : flagOf(surplus);
  if (other !== undefined) throw new ArgumentError(`--animate is drawn by itself: leave out ${other}`);
  await animate(run, given);
}

async function drawHistories(
  argument: string | undefined,
  sources: readonly string[],
  { out, kind, cell, by, threshold, ...published }: Given,
): Promise<void> {
  if (argument !== undefined) throw new ArgumentError(`a genotype and --history cannot be drawn at once: ${argument}`);
  const format = out === undefined ? 'svg' : pictureFormat(out, ['svg', 'png']);
  if (kind !== 'skips' && sources.length > 1) {
    throw invalid('--history', `one search for --kind ${kind ?? 'grid'} (skips compares several)`, sources.length);
  }
  const histories = [];
  for (const name of sources) histories.push({ name, history: await readHistory(name, historyOf(published)) });
  for (const { history } of histories) cellsTold(history, cell);
  await writePicture(await drawHistory(histories, { kind, cell, by, threshold, format }), out);
}

async function drawScoresOf(argument: string | undefined, run: string, given: Given): Promise<void> {
  const { out, history, projCrit } = given;
  const other = history === undefined ? argument : '--history';
  if (other !== undefined) throw new ArgumentError(`--scores is drawn by itself: leave out ${other}`);
  const surplus = ofHistories.find((name) => given[name] !== undefined);
  if (surplus !== undefined) throw new ArgumentError(`--${surplus} is for --history: scores are drawn as they are`);
  const format = out === undefined ? 'svg' : pictureFormat(out, ['svg', 'png']);
  const svg = drawScores(run, await readDecisions(run), { projCrit });
  await writePicture(format === 'svg' ? svg : await rasterise(svg), out);
}
