// What the records of a run are in TensorBoard, one record after another: the same while it goes on and afterwards.
import { isRecord } from '../checks.ts';
import { FileError } from '../errors.ts';
import type { HyperParameters, SummaryValue } from '../exchange/tensorboard.ts';
import type { Genotype } from '../genotype/genotype.ts';
import { checkGenotype } from '../genotype/rules.ts';
import type { Method } from '../methods/method.ts';
import { drawGenotype } from '../report/draw.ts';
import type { Series } from '../report/run_view.ts';
import type { RowsByTable } from '../select/alpha.ts';
import type { HistoryFrame } from '../select/history.ts';
import { entryOf, frameOfRecord } from './history.ts';
import type { AlphaRecord, DecisionRecord, JournalRecord, StartRecord } from './journal.ts';
import { headOf, measuredIn, scoresIn } from './measured.ts';

/** What a record has to show, and at which step of the run. */
export interface TensorboardMoment {
  readonly step: number;
  /** Of the run's first record. */
  readonly settings?: HyperParameters;
  /** Made when they are asked for: pictures take time. Rejects for a record that makes no sense. */
  values(): Promise<readonly SummaryValue[]>;
  readonly isEnd?: true;
}

/** Follows the records of a run. */
export class TensorboardRecords {
  readonly #directory: string;
  /** How to find the method that a start names. */
  readonly #methodOf: (start: StartRecord) => Method | undefined;
  #method: Method | undefined;
  #begun = false;
  #frame: HistoryFrame | undefined;
  #genotype = '';
  #step = 0;
  #epochSteps = 0;

  constructor(directory: string, methodOf: (start: StartRecord) => Method | undefined) {
    this.#directory = directory;
    this.#methodOf = methodOf;
  }

  /**
   * Steps of the run behind the records so far, over all stages: where its events stand, those of epochs too, so that one number says what
   * an interrupted run takes back. An epoch without steps counts as one.
   */
  get step(): number {
    return this.#step;
  }

  /** Takes the next record; gives what it has to show, where it has. Throws FileError for one that makes no sense. */
  take(record: JournalRecord): TensorboardMoment | undefined {
    const { type } = record;
    if (type === 'start') return this.#begin(record);
    if (type === 'step') return this.#takeStep(record);
    if (type === 'epoch') return this.#takeEpoch(record);
    if (type === 'layout') this.#frame = frameOfRecord(record, this.#directory);
    if (type === 'alpha') return this.#takeAlpha(record);
    if (type === 'genotype') return this.#takeGenotype(record.genotype);
    if (type === 'decision') return this.#tell([toldOf(record)]);
    if (type === 'result') return { ...this.#moment(scalars('result', scoresIn(record))), isEnd: true };
    return undefined;
  }

  #begin(start: StartRecord): TensorboardMoment | undefined {
    const notices: readonly unknown[] = Array.isArray(start.notices) ? start.notices : [];
    if (this.#begun) return this.#tell(notices.map(String));
    this.#begun = true;
    this.#method = this.#methodOf(start);
    const settings = settingsOf(start);
    const told = { kind: 'text', tag: 'settings', text: tableOf(settings) } as const;
    return { ...this.#moment([told, ...texts(notices.map(String))]), settings };
  }

  #takeStep(record: JournalRecord): TensorboardMoment {
    this.#step++;
    this.#epochSteps++;
    return this.#measured('step', record);
  }

  #takeEpoch(record: JournalRecord): TensorboardMoment {
    if (this.#epochSteps === 0) this.#step++;
    this.#epochSteps = 0;
    return this.#measured('epoch', record);
  }

  #measured(of: Series['of'], record: JournalRecord): TensorboardMoment {
    return this.#moment(
      measuredIn(record).map(({ name, value }) => ({ kind: 'scalar', tag: tagOf(this.#method, of, name), value })),
    );
  }

  #takeAlpha(record: AlphaRecord): TensorboardMoment | undefined {
    if (this.#frame === undefined) return undefined;
    const frame = this.#frame;
    const { alpha, mixing } = entryOf(record, frame, this.#directory);
    return this.#moment([...histograms('alpha', frame, alpha), ...histograms('mixing', frame, mixing)]);
  }

  /** Nothing where it is as before. */
  #takeGenotype(genotype: Genotype): TensorboardMoment | undefined {
    checkGenotype(genotype);
    const text = JSON.stringify(genotype);
    if (text === this.#genotype) return undefined;
    this.#genotype = text;
    const { step } = this;
    return { step, values: async () => [{ kind: 'image', tag: 'cells', png: await drawGenotype(genotype, 'png') }] };
  }

  #tell(lines: readonly string[]): TensorboardMoment | undefined {
    return lines.length === 0 ? undefined : this.#moment(texts(lines));
  }

  #moment(values: readonly SummaryValue[]): TensorboardMoment {
    return { step: this.step, values: async () => values };
  }
}

/**
 * The tag of a measure: `step/loss` of steps, `validation/accuracy` of epochs by the group that its method tells it in, and `epoch/seconds`
 * of what is in none.
 */
export function tagOf(method: Method | undefined, of: Series['of'], name: string): string {
  const title = headOf(method, of, name).title;
  if (of === 'step') return `step/${underscored(title)}`;
  const { group = 'epoch' } = method?.measures.find((known) => known.of === of && known.name === name) ?? {};
  const rest = title.startsWith(`${group} `) ? title.slice(group.length + 1) : title;
  return `${underscored(group)}/${underscored(rest)}`;
}

function underscored(words: string): string {
  return words.toLowerCase().replace(/[^a-z0-9]+/g, '_');
}

function scalars(group: string, values: Readonly<Record<string, number>>): SummaryValue[] {
  return Object.entries(values).map(([name, value]) => ({
    ...{ kind: 'scalar', value },
    tag: `${group}/${underscored(headOf(undefined, 'epoch', name).title)}`,
  }));
}

/** One a table, by the cells that it is of. */
function histograms(group: string, { layout }: HistoryFrame, rows: RowsByTable): SummaryValue[] {
  return Object.entries(layout.tables).map(([cell, { name }]) => ({
    ...{ kind: 'histogram', tag: `${group}/${cell}` },
    values: rows[name].flat(),
  }));
}

function settingsOf({ settings, method, dataset, space, seed }: StartRecord): HyperParameters {
  const all: Readonly<Record<string, unknown>> = { method, dataset, space, seed, ...settings };
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, string | number | boolean] =>
      ['string', 'number', 'boolean'].includes(typeof entry[1]),
    ),
  );
}

function tableOf(settings: HyperParameters): string {
  const rows = Object.entries(settings).map(([name, value]) => `| ${asText(name)} | ${asText(String(value))} |`);
  return ['| setting | value |', '| --- | --- |', ...rows].join('\n');
}

/** Markdown that shows a text as it is. */
function asText(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[\\`*_{}[\]<>()#+\-!|~&]/g, '\\$&');
}

function texts(lines: readonly string[]): SummaryValue[] {
  return lines.map((line) => ({ kind: 'text', tag: 'log', text: asText(line) }));
}

function toldOf({ decision }: DecisionRecord): string {
  if (!isRecord(decision)) throw new FileError('a decision is none');
  return typeof decision['told'] === 'string' ? decision['told'] : JSON.stringify(decision);
}
