// All runs, a row each: filtered, sorted, chosen to be compared.
import { memo } from 'preact/compat';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { RunSummary } from '../../report/run_view.ts';
import { goTo, hashOf, mostCompared, type Route } from './route.ts';
import { ProgressBar, StateMark } from './run_state.tsx';
import { progressShare, scoreText, timeText } from './words.ts';

/** Rows that are drawn at first, and more each time that the end comes into sight. */
const rowsAtOnce = 60;

type ListRoute = Extract<Route, { page: 'list' }>;

/** A column: its name in addresses, its title, and what rows are sorted by. */
interface Column {
  readonly key: string;
  readonly title: string;
  of(run: RunSummary): string | number;
}

const columns: readonly Column[] = [
  { key: 'name', title: 'run', of: ({ name }) => name },
  { key: 'state', title: 'state', of: ({ state }) => state },
  { key: 'progress', title: 'progress', of: ({ progress }) => (progress ? progressShare(progress) : -1) },
  { key: 'method', title: 'method', of: commandText },
  { key: 'dataset', title: 'dataset', of: ({ dataset = '' }) => dataset },
  { key: 'score', title: 'score', of: ({ score }) => score?.value ?? Number.NEGATIVE_INFINITY },
  { key: 'started', title: 'started', of: ({ started = '' }) => started },
  { key: 'changed', title: 'changed', of: ({ changed = '' }) => changed },
];

/** `search darts`; a command whose method is called as it is says that once. */
function commandText({ command = '', method = '' }: RunSummary): string {
  return command === method ? command : `${command} ${method}`;
}

export function RunList({
  route,
  runs,
}: {
  readonly route: ListRoute;
  readonly runs: Readonly<Record<string, RunSummary>>;
}) {
  const { sort, isDown } = route;
  const [filter, setFilter] = useState(route.filter);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const search = useRef<HTMLInputElement>(null);
  useEffect(() => setFilter(route.filter), [route.filter]);
  useSlash(search);
  const rows = useMemo(() => sorted(filtered(Object.values(runs), filter), sort, isDown), [runs, filter, sort, isDown]);
  const { shown, end } = useRowsInSight(rows);
  const isGone = (name: string) => !Object.hasOwn(runs, name);
  const toCompare = [...chosen].filter((name) => !isGone(name));
  const choose = useRef((name: string) =>
    setChosen((before) => {
      const after = new Set(before);
      if (!after.delete(name)) after.add(name);
      return after;
    }),
  ).current;
  const type = (text: string) => {
    setFilter(text);
    goTo({ ...route, filter: text }, false);
  };
  return (
    <section aria-label="runs">
      <div class="bar">
        <input
          ref={search}
          type="search"
          placeholder="filter: words that a run has ( / )"
          aria-label="filter runs"
          value={filter}
          onInput={({ currentTarget }) => type(currentTarget.value)}
        />
        <span class="quiet" role="status">
          {countText(rows.length, Object.keys(runs).length)}
        </span>
        {toCompare.length > 1 && (
          <a class="button" href={hashOf({ page: 'compare', names: toCompare.slice(0, mostCompared) })}>
            compare {Math.min(mostCompared, toCompare.length)} runs
          </a>
        )}
        {toCompare.length === 1 && <span class="quiet">choose another run to compare</span>}
      </div>
      {rows.length === 0 && <p class="hint">{emptyText(Object.keys(runs).length)}</p>}
      {rows.length > 0 && (
        <table class="runs">
          <thead class="head">
            <tr>
              <th class="pick">
                <span class="hidden">compare</span>
              </th>
              {columns.map((column) => (
                <Heading key={column.key} column={column} route={{ ...route, filter }} />
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((run) => (
              <Row key={run.name} run={run} isChosen={chosen.has(run.name)} choose={choose} />
            ))}
          </tbody>
        </table>
      )}
      <div ref={end} />
    </section>
  );
}

function Heading({ column: { key, title }, route }: { readonly column: Column; readonly route: ListRoute }) {
  const isSorted = route.sort === key;
  const next: ListRoute = { ...route, sort: key, isDown: isSorted ? !route.isDown : key !== 'name' };
  return (
    <th aria-sort={isSorted ? (route.isDown ? 'descending' : 'ascending') : 'none'} class={key}>
      <a href={hashOf(next)}>
        {title}
        <span aria-hidden="true">{isSorted ? (route.isDown ? ' ↓' : ' ↑') : ''}</span>
      </a>
    </th>
  );
}

/** Drawn anew only when its run changed. */
const Row = memo(function Row({ run, isChosen, choose }: RowProps) {
  const { name, state, dataset = '', score, started, changed, problems } = run;
  return (
    <tr>
      <td class="pick">
        <input type="checkbox" checked={isChosen} aria-label={`compare ${name}`} onChange={() => choose(name)} />
      </td>
      <td class="name">
        <a href={hashOf({ page: 'run', name })}>{name}</a>
        {problems.length > 0 && (
          <span class="warn" title={problems.join('\n')}>
            {' '}
            ! <span class="hidden">{problems.join(' ')}</span>
          </span>
        )}
      </td>
      <td class="state">
        <StateMark state={state} />
      </td>
      <td class="progress">
        <ProgressBar run={run} />
      </td>
      <td class="method">{commandText(run)}</td>
      <td class="dataset">{dataset}</td>
      <td class="score" title={score?.title}>
        {scoreText(run)}
      </td>
      <td class="started">{timeText(started)}</td>
      <td class="changed">{timeText(changed)}</td>
    </tr>
  );
});

interface RowProps {
  readonly run: RunSummary;
  readonly isChosen: boolean;
  readonly choose: (name: string) => void;
}

function filtered(runs: readonly RunSummary[], filter: string): readonly RunSummary[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return runs;
  return runs.filter(({ name, state, command, method, dataset, space }) => {
    const text = [name, state, command, method, dataset, space].join(' ').toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

function sorted(runs: readonly RunSummary[], sort: string, isDown: boolean): readonly RunSummary[] {
  const { of } = columns.find(({ key }) => key === sort) ?? columns[columns.length - 1];
  const keyed = runs.map((run) => ({ run, by: of(run) }));
  const order = (a: string | number, b: string | number) => (a < b ? -1 : a > b ? 1 : 0);
  keyed.sort((a, b) => (isDown ? -1 : 1) * order(a.by, b.by) || order(a.run.name, b.run.name));
  return keyed.map(({ run }) => run);
}

/** As many rows as have come into sight. */
function useRowsInSight(rows: readonly RunSummary[]) {
  const [count, setCount] = useState(rowsAtOnce);
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const watcher = new IntersectionObserver(
      ([{ isIntersecting }]) => {
        if (isIntersecting) setCount((before) => Math.min(rows.length, before + rowsAtOnce));
      },
      { rootMargin: '800px' },
    );
    if (end.current && count < rows.length) watcher.observe(end.current);
    return () => watcher.disconnect();
  }, [rows.length, count]);
  return { shown: rows.slice(0, Math.max(count, rowsAtOnce)), end };
}

/** `/` leads to the filter. */
function useSlash(search: { readonly current: HTMLInputElement | null }) {
  useEffect(() => {
    const follow = (event: KeyboardEvent) => {
      if (event.key !== '/' || event.target instanceof HTMLInputElement) return;
      event.preventDefault();
      search.current?.focus();
    };
    addEventListener('keydown', follow);
    return () => removeEventListener('keydown', follow);
  }, [search]);
}

function countText(shown: number, all: number): string {
  const runs = `${all} ${all === 1 ? 'run' : 'runs'}`;
  return shown === all ? runs : `${shown} of ${runs}`;
}

function emptyText(all: number): string {
  return all === 0 ? 'There is no run yet: each is shown as soon as it begins.' : 'No run has all of these words.';
}
