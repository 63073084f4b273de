import type { Command } from 'commander';
import { FileError } from '../errors.ts';
import type { Method } from '../methods/method.ts';
import type { EpochEvent } from '../run/events.ts';
import { type JournalRecord, type ResultRecord, readJournal, type StartRecord } from '../run/journal.ts';
import { inUtc, inWords } from '../words.ts';
import { formatShare } from './format.ts';
import { flagOf } from './options.ts';
import { createPaint } from './paint.ts';
import { epochLine, genotypeLines, genotypeText, resultTexts } from './progress.ts';
import { decisionLine } from './reporter.ts';
import { stageText } from './start.ts';

const examples = `
Examples:
  dartsmith show runs/mine
  dartsmith show runs/mine --json | jq 'select(.type == "alpha")'

Reads journal.jsonl alone, also while the run goes on.`;

/** Columns that two cells may lie in side by side. */
const room = 100;

/** Adds `dartsmith show`. */
export function addShowCommand(program: Command, methods: readonly Method[]): void {
  program
    .command('show')
    .summary("print a run's story from its journal")
    .description('Prints what a run did: settings, epochs, genotypes as they changed, result.')
    .argument('<run>', 'a run directory')
    .option('--json', 'print the records as JSON Lines, all but those of steps')
    .addHelpText('after', examples)
    .action((run: string, { json = false }: { json?: boolean }) => show(run, json, methods));
}

async function show(directory: string, json: boolean, methods: readonly Method[]): Promise<void> {
  const tell = json ? (record: JournalRecord) => [JSON.stringify(record)] : storyteller(methods);
  let told = false;
  for await (const record of readJournal(directory)) {
    told = true;
    for (const line of tell(record)) process.stdout.write(`${line}\n`);
  }
  if (!told) throw new FileError(`${directory} tells nothing yet: its journal has no record`);
}

/** Gives the lines of one record after another. */
function storyteller(methods: readonly Method[]): (record: JournalRecord) => string[] {
  const plain = createPaint(false);
  let method: Method | undefined;
  let genotype = '';
  let begun = false;
  return (record) => {
    switch (record.type) {
      case 'start': {
        method = methods.find(({ name }) => name === record.method);
        const lines = begun ? [resumptionLine(record)] : startLines(record, method);
        begun = true;
        return lines;
      }
      case 'epoch':
        return [epochLine(record as EpochEvent, method?.measures ?? [], plain)];
      case 'genotype': {
        const text = genotypeText(record.genotype);
        if (text === genotype) return [];
        genotype = text;
        return genotypeLines(record.genotype, room);
      }
      case 'stage':
        return [stageText(record)];
      case 'decision':
        return [decisionLine(record)];
      case 'result':
        return resultLines(record);
      default:
        return [];
    }
  };
}

function startLines(start: StartRecord, method: Method | undefined): string[] {
  const { run, dataset, space, layers, seed, device, time, versions } = start;
  const name = method === undefined ? start.method : `${start.method} (${method.title}, ${method.paper})`;
  const settings = Object.entries(start.settings).map(([setting, value]) => `${flagOf(setting).slice(2)} ${value}`);
  return [
    `${run} by ${name}, ${start.resumed ? 'gone on with' : 'begun'} ${inUtc(time)} with dartsmith ${versions.dartsmith} on ${device}`,
    `data: ${dataset}, ${usedData(start)}`,
    `network: ${layers} ${layers === 1 ? 'cell' : 'cells'}${space === undefined ? '' : ` of space ${space}`}; seed ${seed}`,
    `settings: ${settings.join(', ')}`,
  ];
}

function usedData(start: StartRecord): string {
  if (start.vocabulary !== undefined) {
    const { trainWords, validationWords, vocabulary } = start;
    return `${trainWords} words to learn from, ${validationWords} to validate on, ${vocabulary} different ones`;
  }
  const { trainImages, validationImages } = start;
  if (trainImages === 0) return 'no image used';
  return `${trainImages} images to learn from${validationImages === 0 ? '' : `, ${validationImages} to validate on`}`;
}

/** Epochs and steps count from 1 for people. */
function resumptionLine({ time, device, epoch, step }: StartRecord): string {
  return `resumed ${inUtc(time)} at epoch ${epoch + 1}, step ${step + 1} on ${device}`;
}

function resultLines(result: ResultRecord): string[] {
  const scores = Object.entries(result).flatMap(([name, value]) => {
    if (typeof value !== 'number' || ['epoch', 'stage'].includes(name)) return [];
    if (name === 'unreadableImages' && value === 0) return [];
    // testTop5 as test top-5.
    const words = inWords(name).replace(/\d+/, '-$&');
    return [`${words} ${/accuracy|top5/i.test(name) ? formatShare(value) : Number(value.toFixed(4))}`];
  });
  return [`result: ${scores.join(', ')}`.replace(/: $/, ':'), ...resultTexts(result)];
}
