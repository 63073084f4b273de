// What a selection decided, and the scores that it decided by.
import { memo } from 'preact/compat';
import { cellName, inputsOf } from '../../genotype/genotype.ts';
import { stateNames } from '../../report/cell_words.ts';
import type { DrawnAbsence, DrawnDecision } from '../../report/draw_scores.ts';
import type { DecisionView, RunView } from '../../report/run_view.ts';
import { valueText } from '../../report/values.ts';

/** Decisions in words. */
export function Decisions({ decisions }: { readonly decisions: readonly DecisionView[] }) {
  return (
    <ol class="decisions">
      {decisions.map(({ epoch, told }, index) => (
        <li key={index}>
          <span class="quiet">epoch {epoch}</span> {told}
        </li>
      ))}
    </ol>
  );
}

type Scored = NonNullable<RunView['scores']>;

/** A decision a row: how the supernet did without each candidate. */
export const Scores = memo(function Scores({ criterion, decisions }: Scored) {
  const of = (tried: DrawnAbsence) => (criterion === 'acc' ? tried.accuracy : tried.loss);
  const all = decisions.flatMap(({ tried }) => tried.map(of));
  const range: readonly [number, number] = [Math.min(...all), Math.max(...all)];
  return (
    <figure class="scores">
      <figcaption>
        {criterion === 'acc' ? 'accuracy' : 'loss'} of the supernet without each candidate, decision by decision;
        marked: what an edge keeps, or the edge that a node loses
      </figcaption>
      <ol>
        {decisions.map((decision, index) => (
          <li key={index}>
            <p>{decisionText(decision)}</p>
            <ul>
              {decision.tried.map((tried, i) => (
                <li key={i} class={i === decision.decided ? 'tried decided' : 'tried'}>
                  <span>{triedText(decision, tried)}</span>
                  <Bar share={(of(tried) - range[0]) / (range[1] - range[0] || 1)} />
                  <span class="number">{valueText(of(tried), criterion === 'acc' ? 'share' : 'loss')}</span>
                  <span class="quiet">
                    {i === decision.decided && (decision.kind === 'operation' ? 'kept' : 'goes')}
                  </span>
                </li>
              ))}
            </ul>
          </li>
        ))}
      </ol>
    </figure>
  );
});

function Bar({ share }: { readonly share: number }) {
  return (
    <span class="track" aria-hidden="true">
      <span class="mark" style={{ left: `${100 * Math.min(1, Math.max(0, share))}%` }} />
    </span>
  );
}

function stateName(cell: string, state: number): string {
  const names = stateNames(cell, Math.max(0, state - inputsOf(cell) + 1));
  return (names[state] ?? String(state)).replace(/_\{(.*)\}/, '($1)');
}

function decisionText({ kind, number, cell, node, round, tried }: DrawnDecision): string {
  const to = stateName(cell, node + inputsOf(cell));
  const what = kind === 'inputs' ? `inputs of node ${to}` : `edge ${stateName(cell, tried[0].input)} → ${to}`;
  return `${number}. ${cellName(cell)}, ${what}${round === undefined ? '' : `, round ${round}`}`;
}

function triedText({ kind, cell }: DrawnDecision, { operation, input }: DrawnAbsence): string {
  return kind === 'inputs' ? `from ${stateName(cell, input)} by ${operation}` : operation;
}
