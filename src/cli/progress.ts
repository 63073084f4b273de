// What a search looks like while it goes on: pure functions from events to text. Epochs and steps count from 1 for people.
import { type CellKey, cellsOf, type Genotype, type GenotypeCell, inputsOf } from '../genotype/genotype.ts';
import { formatGenotype, originalForm } from '../genotype/text.ts';
import type { Measure } from '../methods/method.ts';
import { operationText } from '../report/cell_words.ts';
import type { EpochEvent, StepEvent } from '../run/events.ts';
import { formatDuration, formatFigure, formatRate, formatShare } from './format.ts';
import type { Paint } from './paint.ts';

const widestBar = 30;
const narrowestBar = 5;

/** How far a search is: `done` steps of epoch `epoch`, which counts from 0. */
export interface Advance {
  readonly epoch: number;
  readonly epochs: number;
  readonly done: number;
  readonly steps: number;
}

/** A piece of the progress line; the one with the lowest `keep` goes first where it is narrow. */
interface Field {
  readonly text: string;
  readonly keep: number;
}

/**
 * One line of at most `room` columns: epoch, bar over the whole search, step, loss, accuracy, images a second, time left.
 * Where it is narrow the rate goes first, then accuracy, time left, the bar and the loss. After the last step of an epoch
 * it says that validation goes on, which takes its time without a further step.
 */
export function progressLine(event: StepEvent, measures: readonly Measure[], room: number, paint: Paint): string {
  const { epoch, epochs, step, steps } = event;
  const told = measureFields(event, measures);
  const last = isLastStep(event) ? { text: 'validating', keep: 1 } : rateField(event);
  return advanceLine({ epoch, epochs, done: step + 1, steps }, [...told, last, leftField(event)], room, paint);
}

/** The line of {@link progressLine} before an epoch's first step, which may take long, and of an epoch without steps. */
export function waitingLine(advance: Advance, room: number, paint: Paint): string {
  return advanceLine(advance.steps === 0 ? { ...advance, steps: 1 } : advance, [], room, paint);
}

/** Whether an epoch's validation follows. */
export function isLastStep({ step, steps }: StepEvent): boolean {
  return step + 1 === steps;
}

function advanceLine(advance: Advance, wanted: readonly Field[], room: number, paint: Paint): string {
  const epoch = `epoch ${fraction(advance.epoch + 1, advance.epochs)}`;
  const step = fraction(advance.done, advance.steps);
  const fields = [...wanted];
  const used = () => fields.reduce((sum, field) => sum + 2 + field.text.length, epoch.length + 1 + step.length);
  const drop = () => fields.splice(fields.indexOf(fields.reduce((a, b) => (b.keep < a.keep ? b : a))), 1);
  while (fields.length > 1 && used() + 1 + narrowestBar > room) drop();
  const bar = Math.min(widestBar, room - used() - 1);
  if (used() > room) fields.length = 0;
  if (used() > room) return `${epoch} ${step}`.slice(0, Math.max(0, room));

  const done = (advance.epoch * advance.steps + advance.done) / (advance.epochs * advance.steps);
  const parts = [paint('bold', epoch), ...(bar >= narrowestBar ? [drawBar(done, bar, paint)] : []), step];
  return [parts.join(' '), ...fields.map((field) => field.text)].join('  ');
}

/** A step as a plain line, for pipes and files. */
export function stepLine(event: StepEvent, measures: readonly Measure[]): string {
  const place = `epoch ${fraction(event.epoch + 1, event.epochs)}  step ${fraction(event.step + 1, event.steps)}`;
  const fields = [...measureFields(event, measures), rateField(event), leftField(event)];
  return [place, ...fields.map((field) => field.text)].join('  ');
}

/** Whether a step is among the about ten of its epoch that plain output lists. */
export function isListedStep(event: StepEvent): boolean {
  const every = Math.ceil(event.steps / 10);
  return (event.step + 1) % every === 0 || isLastStep(event);
}

/** What an epoch came to: its measures by group, such as `train 93.1% (loss 0.210)`. */
export function epochLine(event: EpochEvent, measures: readonly Measure[], paint: Paint): string {
  const told = measures.filter((measure) => measure.of === 'epoch' && measured(event, measure) !== undefined);
  const groups = [...new Set(told.flatMap(({ group = [] }) => group))];
  const texts = groups.map((group, index) => {
    const [first, ...rest] = told.filter((measure) => measure.group === group);
    const value = formatMeasure(first, measured(event, first));
    const beside = rest.map((measure) => `${measure.label} ${formatMeasure(measure, measured(event, measure))}`);
    const main = index === groups.length - 1 ? paint('green', value) : value;
    return `${group} ${main}${beside.length > 0 ? ` (${beside.join(', ')})` : ''}`;
  });
  return [
    paint('bold', `epoch ${fraction(event.epoch + 1, event.epochs)}`),
    ...texts,
    paint('dim', formatDuration(event.seconds)),
  ].join('  ');
}

function measured(event: StepEvent | EpochEvent, { name }: Measure): number | undefined {
  const value = event[name as keyof typeof event] as number | null | undefined;
  // What is too large for a number is null in a journal.
  return value === null ? Number.POSITIVE_INFINITY : value;
}

function formatMeasure({ unit }: Measure, value = Number.NaN): string {
  if (unit === 'share') return formatShare(value);
  if (unit === 'perplexity') return formatPerplexity(value);
  return unit === 'loss' ? formatLoss(value) : formatFigure(value);
}

/** The cells as sums, one node a line, `3 = skip_connect(0) + sep_conv_3x3(1)` or `3 isolated`; two side by side where they fit. */
export function genotypeLines(genotype: Genotype, room: number): string[] {
  const cells = cellsOf(genotype).map(([key, cell]) => cellLines(key, cell));
  if (cells.length !== 2) return cells.flat();
  const [normal, reduce] = cells;
  const left = Math.max(...normal.map((line) => line.length));
  const right = Math.max(...reduce.map((line) => line.length));
  if (left + 3 + right > room) return [...normal, ...reduce];
  return Array.from({ length: Math.max(normal.length, reduce.length) }, (_, i) =>
    `${(normal[i] ?? '').padEnd(left)}   ${reduce[i] ?? ''}`.trimEnd(),
  );
}

/** The originals' form, Python's or NAS-Bench-201's; JSON for a genotype that has none. */
export function genotypeText(genotype: Genotype): string {
  return originalForm(genotype) ?? formatGenotype(genotype, 'json');
}

/** The genotypes of a result: several by name, or one. */
export function resultTexts({
  genotype,
  architectures = {},
}: {
  readonly genotype: Genotype;
  readonly architectures?: Readonly<Record<string, Genotype>>;
}): string[] {
  const named = Object.entries(architectures).map(([name, one]) => `${name} = ${genotypeText(one)}`);
  return named.length > 0 ? named : [genotypeText(genotype)];
}

function cellLines(name: CellKey, cell: GenotypeCell): string[] {
  return cell.nodes.map((edges, index) => {
    const sum = edges.map((edge) => `${operationText(edge)}(${edge.input})`).join(' + ');
    return `  ${index === 0 ? name : ' '.repeat(name.length)} ${index + inputsOf(name)} ${sum && '= '}${sum || 'isolated'}`;
  });
}

/** The first one stays longest where a line is narrow. */
function measureFields(event: StepEvent, measures: readonly Measure[]): Field[] {
  return measures
    .filter((measure) => measure.of === 'step' && measure.group !== undefined && measured(event, measure) !== undefined)
    .map((measure, index) => {
      const value = formatMeasure(measure, measured(event, measure));
      const text = `${measure.label} ${measure.unit === 'share' ? value.padStart(5) : value}`;
      return { text, keep: index === 0 ? 4 : 2 };
    });
}

function rateField({ imagesPerSecond, wordsPerSecond }: StepEvent): Field {
  const [rate, of] = wordsPerSecond === undefined ? [imagesPerSecond, 'img'] : [wordsPerSecond, 'words'];
  return { text: `${formatRate(rate ?? Number.NaN).padStart(4)} ${of}/s`, keep: 1 };
}

function leftField({ secondsLeft }: StepEvent): Field {
  return { text: `${formatDuration(secondsLeft)} left`, keep: 3 };
}

function drawBar(done: number, width: number, paint: Paint): string {
  const filled = Math.max(0, Math.min(width, Math.floor(done * width)));
  return paint('green', '█'.repeat(filled)) + paint('dim', '░'.repeat(width - filled));
}

/** The count padded to its total, so that a redrawn line does not jitter. */
function fraction(count: number, total: number): string {
  return `${String(count).padStart(String(total).length)}/${total}`;
}

/** As papers tell it; that of an untrained network may be any size. */
function formatPerplexity(value: number): string {
  return value < 1000 ? value.toFixed(2) : value.toPrecision(4);
}

function formatLoss(loss: number): string {
  // Not -0.000: a loss may be below 0.
  return loss.toFixed(loss < 1000 ? 3 : 0).replace(/^-(?=[0.]*$)/, '');
}
