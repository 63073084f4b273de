// A run with all that it has to show.
import type { ComponentChildren } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { RunSummary, RunView, Series, StageView } from '../../report/run_view.ts';
import { unitOfScore, valueText } from '../../report/values.ts';
import type { Shown } from '../shown.ts';
import { FinalCells } from './cell_picture.tsx';
import { Curves } from './curves.tsx';
import { Log, Record } from './records.tsx';
import { goTo, type Route } from './route.ts';
import { Problems, ProgressBar, StateMark } from './run_state.tsx';
import { Decisions, Scores } from './scores.tsx';
import { type SearchPlace, SearchView } from './search_view.tsx';
import { scoreText, timeText } from './words.ts';

type RunRoute = Extract<Route, { page: 'run' }>;

export function RunPage({ route, shown }: { readonly route: RunRoute; readonly shown: Shown }) {
  const { name } = route;
  const summary = Object.hasOwn(shown.runs, name) ? shown.runs[name] : undefined;
  const view = Object.hasOwn(shown.views, name) ? shown.views[name] : undefined;
  useEffect(() => {
    document.title = `${name} – dartsmith`;
    return () => {
      document.title = 'dartsmith';
    };
  }, [name]);
  const run = headOf(summary, view);
  if (run === undefined) return <p class="hint">There is no run {name} in this folder, or it has not been read yet.</p>;
  return (
    <article>
      <Head run={run} view={view} shown={shown} />
      {view === undefined ? <p class="hint">Reading its journal…</p> : <Whole route={route} view={view} />}
    </article>
  );
}

/** What is told above all: of a long journal the list knows the end before the view has come there, and then the view knows more. */
function headOf(summary: RunSummary | undefined, view: RunView | undefined): RunSummary | undefined {
  if (summary === undefined || view === undefined) return summary ?? view;
  // When something was last written is told with all of it.
  const { progress } = view.changed === undefined ? summary : view;
  return { ...view, ...summary, progress, problems: [...new Set([...summary.problems, ...view.problems])] };
}

function Head({ run, view, shown }: { readonly run: RunSummary; readonly view?: RunView; readonly shown: Shown }) {
  const { name, state, command, method, dataset, space, seed, device, started, changed, score, problems } = run;
  const facts = [
    [command, view?.title ?? method],
    ['dataset', dataset],
    ['space', space],
    ['seed', seed],
    ['device', device],
    ['started', timeText(started)],
    ['changed', timeText(changed)],
    ['paper', view?.paper],
    [score?.title, scoreText(run)],
  ].filter(([label, value]) => label !== undefined && value !== undefined && value !== '');
  return (
    <header class="run">
      <h1>{name}</h1>
      <p>
        <StateMark state={state} /> <ProgressBar run={run} />
      </p>
      <Problems problems={problems} />
      <dl class="facts">
        {facts.map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{String(value)}</dd>
          </div>
        ))}
      </dl>
      <CompareWith name={name} shown={shown} />
    </header>
  );
}

/** Another run to lay beside it: those of the same command first. */
function CompareWith({ name, shown }: { readonly name: string; readonly shown: Shown }) {
  const [other, setOther] = useState('');
  const names = useMemo(() => othersOf(name, shown.runs), [name, shown.runs]);
  if (names.length === 0) return null;
  const isKnown = names.includes(other);
  return (
    <form
      class="bar"
      onSubmit={(event) => {
        event.preventDefault();
        if (isKnown) goTo({ page: 'compare', names: [name, other] });
      }}
    >
      <input
        list="others"
        placeholder="compare with a run"
        aria-label="compare with a run"
        value={other}
        onInput={({ currentTarget }) => setOther(currentTarget.value)}
      />
      <datalist id="others">
        {names.slice(0, 200).map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
      <button type="submit" disabled={!isKnown}>
        compare
      </button>
    </form>
  );
}

function othersOf(name: string, runs: Shown['runs']): readonly string[] {
  const others = Object.values(runs).filter((run) => run.name !== name);
  const command = Object.hasOwn(runs, name) ? runs[name].command : undefined;
  const isOther = (run: RunSummary) => Number(run.command !== command);
  return others.sort((a, b) => isOther(a) - isOther(b)).map((run) => run.name);
}

function Whole({ route, view }: { readonly route: RunRoute; readonly view: RunView }) {
  const parts = useParts(route, view);
  return (
    <>
      <nav aria-label="parts of the run" class="parts">
        {parts.map(({ id, title }) => (
          <button key={id} type="button" onClick={() => document.getElementById(id)?.scrollIntoView()}>
            {title}
          </button>
        ))}
      </nav>
      {parts.map(({ id, title, content }) => (
        <section key={id} id={id}>
          <h2>{title}</h2>
          {content}
        </section>
      ))}
    </>
  );
}

/** A part of the page, under a title of its own. */
interface Part {
  readonly id: string;
  readonly title: string;
  readonly content: ComponentChildren;
}

/** Those that a run has something for. */
function useParts(route: RunRoute, { series, stages, scores, settings, versions, log, result }: RunView) {
  const place = useMemo(() => placeOf(route), [route]);
  const keep = ({ at, cell }: SearchPlace) => goTo({ page: 'run', name: route.name, ...at, cell }, false);
  const decisions = stages.flatMap((stage) => stage.decisions);
  const parts: Part[] = [];
  const add = (id: string, title: string, content: ComponentChildren) => parts.push({ id, title, content });
  if (stages.some(hasMoments)) add('search', 'Search', <SearchView stages={stages} place={place} keep={keep} />);
  // Of a run that shows no other: a training.
  else if (result?.genotype !== undefined)
    add('cells', 'Cells', <FinalCells genotype={result.genotype} label="cells of the network" />);
  add('curves', 'Curves', <Curves series={series} stages={stages} />);
  if (scores !== undefined && scores.decisions.length > 0) add('scores', 'Scores', <Scores {...scores} />);
  if (decisions.length > 0) add('decisions', 'Decisions', <Decisions decisions={decisions} />);
  if (result !== undefined) add('result', 'Result', <Record values={worded(result.scores, series)} />);
  add(
    'settings',
    'Settings',
    <>
      <Record values={settings} />
      <h3>Versions</h3>
      <Record values={versions} />
    </>,
  );
  add('log', 'Log', <Log lines={log} />);
  return parts;
}

function placeOf({ stage = 0, epoch, cell }: RunRoute): SearchPlace {
  return { cell, ...(epoch !== undefined && { at: { stage, epoch } }) };
}

function hasMoments({ history, genotypes }: StageView): boolean {
  return genotypes.length > 0 || history !== undefined;
}

function worded(scores: Readonly<globalThis.Record<string, number>>, series: readonly Series[]) {
  const text = (name: string, value: number) => valueText(value, unitOfScore(name, series));
  return Object.fromEntries(Object.entries(scores).map(([name, value]) => [name, text(name, value)]));
}
