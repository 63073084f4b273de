import type { RunState, RunSummary } from '../../report/run_view.ts';
import { durationText } from '../../report/values.ts';
import { progressShare, progressText } from './words.ts';

const marks: Readonly<Record<RunState, string>> = { running: '▶', finished: '✓', interrupted: '■', unseen: '?' };
const meanings: Readonly<Record<RunState, string>> = {
  running: 'a process works on it',
  finished: 'it came to its end',
  interrupted: 'nobody works on it: it can be resumed',
  unseen: 'a process of another machine or container may work on it',
};

/** A run's state, in colour, sign and word. */
export function StateMark({ state }: { readonly state: RunState }) {
  return (
    <span class={`state ${state}`} title={meanings[state]}>
      <span aria-hidden="true">{marks[state]}</span> {state}
    </span>
  );
}

/** How far a run is. */
export function ProgressBar({ run }: { readonly run: RunSummary }) {
  const { progress, state } = run;
  if (progress === undefined) return null;
  const left =
    progress.secondsLeft !== undefined && state === 'running' ? `, ${durationText(progress.secondsLeft)} left` : '';
  const text = progressText(progress);
  return (
    <span class="progress">
      <progress value={state === 'finished' ? 1 : progressShare(progress)} max={1} aria-label={text} />
      <span class="quiet">
        {text}
        {left}
      </span>
    </span>
  );
}

/** What is wrong with a run's files. */
export function Problems({ problems }: { readonly problems: readonly string[] }) {
  if (problems.length === 0) return null;
  return (
    <ul class="problem">
      {problems.map((problem) => (
        <li key={problem}>{problem}</li>
      ))}
    </ul>
  );
}
