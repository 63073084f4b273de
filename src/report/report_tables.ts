// The tables of a report.
import { sampleOf } from '../statistics/sample.ts';
import { inWords } from '../words.ts';
import { groupReplicates } from './replicates.ts';
import type { RunView } from './run_view.ts';
import { unitOfScore, valueText } from './values.ts';

export type Row = readonly string[];
/** Rows of texts, the first of which is the head. */
export type Rows = readonly Row[];

/** Of the table of all runs. */
export const summaryHead: Row = [
  ...['run', 'command', 'method', 'data', 'space', 'seed', 'state', 'epochs', 'score', 'began'],
];

/** A run in it. */
export function summaryRow(view: RunView): Row {
  const { name, command, method, dataset, space, seed, state, score, started } = view;
  const told = score === undefined ? undefined : `${score.title} ${valueText(score.value, score.unit)}`;
  const cells = [name, command, method, dataset, space, seed, state, epochsText(view), told, momentText(started)];
  return cells.map((cell) => (cell === undefined || cell === '' ? '–' : String(cell)));
}

/** 2026-01-02T03:04:05.678Z to the minute; what is no moment as it stands. */
function momentText(time: string | undefined): string | undefined {
  return time?.replace(/^(\d+-\d+-\d+)T(\d+:\d+):.*Z$/, '$1 $2 UTC');
}

/** How far a run is, over all of its stages. */
function epochsText({ stages, progress }: RunView): string {
  const last = stages.at(-1);
  if (last === undefined) return '–';
  const done = last.before.epoch + (progress?.epoch ?? 0);
  return `${done} of ${last.before.epoch + last.epochs}`;
}

/** Of runs that differ in their seeds alone every score they came to, with what so few leave open; empty where there are none. */
export function replicateRows(views: readonly RunView[]): Rows {
  const rows = groupReplicates(views).flatMap(({ name, runs }) => {
    if (runs.length < 2) return [];
    const scores = new Set(runs.flatMap(({ result }) => Object.keys(result?.scores ?? {})));
    return [...scores].map((score) => {
      const values = runs.flatMap(({ result }) => result?.scores[score] ?? []);
      const { n, mean, deviation, interval } = sampleOf(values);
      const text = (value: number | null | undefined) =>
        value === null || value === undefined ? '–' : valueText(value, unitOfScore(score, runs[0].series));
      const range = interval === null ? '–' : `${text(interval[0])} to ${text(interval[1])}`;
      return [name, inWords(score), String(n), text(mean), text(deviation), range];
    });
  });
  if (rows.length === 0) return [];
  return [['runs', 'score', 'n', 'mean', 'standard deviation', '95% confidence interval of the mean'], ...rows];
}

/** Settings of runs of one command that are not the same in all, a column a run; empty where all are. */
export function differingRows(views: readonly RunView[]): Rows {
  const named = views.map((view) => ({
    ...view.settings,
    seed: view.seed,
    dataset: view.dataset,
    space: view.space,
    method: view.method,
  }));
  const names = [...new Set(named.flatMap(Object.keys))];
  const rows = names.flatMap((name) => {
    const values = named.map((settings: Readonly<Record<string, unknown>>) => settingText(settings[name]));
    return new Set(values).size > 1 ? [[name, ...values]] : [];
  });
  return rows.length === 0 ? [] : [['setting', ...views.map(({ name }) => name)], ...rows];
}

/** By name, as config.json has them. */
export function settingRows(settings: Readonly<Record<string, unknown>>): Rows {
  return [['setting', 'value'], ...Object.entries(settings).map(([name, value]) => [name, settingText(value)])];
}

function settingText(value: unknown): string {
  if (value === undefined) return '–';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** What a run came to. */
export function resultRows({ result, series }: RunView): Rows {
  const scores = Object.entries(result?.scores ?? {});
  if (scores.length === 0) return [];
  return [
    ['result', 'value'],
    ...scores.map(([name, value]) => [inWords(name), valueText(value, unitOfScore(name, series))]),
  ];
}

/** All choices of a run, the first first. */
export function decisionRows({ stages }: RunView): Rows {
  const rows = stages.flatMap(({ before, decisions }) =>
    decisions.map(({ epoch, told }) => [String(before.epoch + epoch), told]),
  );
  return rows.length === 0 ? [] : [['after epoch', 'decision'], ...rows];
}

/** What happened, the first first; of a very long log its beginning and its end. */
export function logRows({ log }: RunView): Rows {
  const most = 500;
  const lines = log.length <= most ? log : [...log.slice(0, most / 2), ...log.slice(-most / 2)];
  const rows = lines.map(({ time, epoch, text }) => [momentText(time) ?? '', String(epoch), text]);
  return [['when', 'epochs done', 'what'], ...rows];
}
