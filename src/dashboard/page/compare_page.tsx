// Runs side by side: their measures on the same axes, settings that differ, the cells that they came to.
import { useMemo } from 'preact/hooks';
import { lastGenotype, type RunView, type Series } from '../../report/run_view.ts';
import type { Shown } from '../shown.ts';
import { FinalCells } from './cell_picture.tsx';
import { Chart, type ChartLine } from './chart.tsx';
import { hashOf } from './route.ts';
import { ProgressBar, StateMark } from './run_state.tsx';
import { plainText, scoreText, unitOrder } from './words.ts';

export function ComparePage({ names, shown }: { readonly names: readonly string[]; readonly shown: Shown }) {
  const views = names.flatMap((name) => (Object.hasOwn(shown.views, name) ? [shown.views[name]] : []));
  const missing = names.filter((name) => !Object.hasOwn(shown.views, name));
  const curves = useMeasures(views);
  return (
    <article>
      <h1>{names.length} runs side by side</h1>
      {missing.length > 0 && <p class="hint">Not there, or not read yet: {missing.join(', ')}</p>}
      <ul class="compared">
        {views.map((view) => (
          <li key={view.name}>
            <a href={hashOf({ page: 'run', name: view.name })}>{view.name}</a> <StateMark state={view.state} />
            <ProgressBar run={view} />
            <span class="quiet">
              {view.score?.title} {scoreText(view)}
            </span>
          </li>
        ))}
      </ul>
      <section>
        <h2>Curves</h2>
        <div class="charts">
          {curves.map(({ key, head, lines }) => (
            <Chart
              key={key}
              title={`${head.title}, by ${head.of}`}
              unit={head.unit}
              xLabel={`${head.of}s`}
              lines={lines}
            />
          ))}
        </div>
      </section>
      <section>
        <h2>Settings that differ</h2>
        <Differences views={views} />
      </section>
      <section>
        <h2>Final cells</h2>
        <div class="final">
          {views.map((view) => (
            <FinalFigure key={view.name} view={view} />
          ))}
        </div>
      </section>
    </article>
  );
}

/** A measure, with a line a run that has it. */
interface Measure {
  readonly key: string;
  readonly head: Series;
  readonly lines: readonly ChartLine[];
}

/** Those of most runs first, then what says most. */
function useMeasures(views: readonly RunView[]): readonly Measure[] {
  return useMemo(
    () => {
      const measures = new Map<string, Measure>();
      for (const { name, series } of views) {
        for (const head of series.filter(({ x }) => x.length > 0)) {
          const key = `${head.of} ${head.unit} ${head.title}`;
          const lines = [...(measures.get(key)?.lines ?? []), { label: name, x: head.x, y: head.y }];
          measures.set(key, { key, head, lines });
        }
      }
      const rank = ({ head, lines }: Measure) =>
        100 * lines.length - 2 * unitOrder.indexOf(head.unit) - (head.of === 'epoch' ? 0 : 1);
      return [...measures.values()].sort((a, b) => rank(b) - rank(a));
    },
    views.map(({ series }) => series),
  );
}

function Differences({ views }: { readonly views: readonly RunView[] }) {
  const facts = views.map(({ command, method, dataset, space, seed, device, settings }) => ({
    ...{ command, method, dataset, space, seed, device },
    ...settings,
  })) as readonly Readonly<Record<string, unknown>>[];
  const of = (fact: Readonly<Record<string, unknown>>, name: string) =>
    Object.hasOwn(fact, name) ? plainText(fact[name]) : '';
  const all = [...new Set(facts.flatMap((fact) => Object.keys(fact)))];
  const rows = all.filter((name) => new Set(facts.map((fact) => of(fact, name))).size > 1);
  if (views.length < 2 || rows.length === 0) return <p class="hint">None: what was set is the same.</p>;
  return (
    <div class="wide">
      <table class="differences">
        <thead>
          <tr>
            <th>setting</th>
            {views.map(({ name }) => (
              <th key={name}>{name}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((name) => (
            <tr key={name}>
              <th>{name}</th>
              {facts.map((fact, index) => (
                <td key={views[index].name}>{of(fact, name)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function FinalFigure({ view }: { readonly view: RunView }) {
  const genotype = lastGenotype(view);
  return (
    <figure>
      <figcaption>{view.name}</figcaption>
      {genotype === undefined ? (
        <p class="hint">It has no cell yet.</p>
      ) : (
        <FinalCells genotype={genotype} label={`cells of ${view.name}`} />
      )}
    </figure>
  );
}
