// Tables of names and values, and a run's log.
import { memo } from 'preact/compat';
import { useState } from 'preact/hooks';
import type { LogLine } from '../../report/run_view.ts';
import { plainText, timeText } from './words.ts';

/** A row a name. */
export const Record = memo(function Record({
  values,
}: {
  readonly values: Readonly<globalThis.Record<string, unknown>>;
}) {
  return (
    <dl class="record">
      {Object.entries(values).map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{plainText(value)}</dd>
        </div>
      ))}
    </dl>
  );
});

/** Lines that are shown without being asked for: the newest. */
const linesAtOnce = 200;

export const Log = memo(function Log({ lines }: { readonly lines: readonly LogLine[] }) {
  const [isWhole, setWhole] = useState(false);
  const from = isWhole ? 0 : Math.max(0, lines.length - linesAtOnce);
  return (
    <>
      {from > 0 && (
        <button type="button" onClick={() => setWhole(true)}>
          show {from} earlier lines
        </button>
      )}
      <ol class="log">
        {lines.slice(from).map(({ time, epoch, text }, index) => (
          <li key={from + index}>
            <span class="quiet">{time === undefined ? `epoch ${epoch}` : timeText(time)}</span> <span>{text}</span>
          </li>
        ))}
      </ol>
    </>
  );
});
