// All measures of a run: a chart a unit, of steps and of epochs.
import { memo } from 'preact/compat';
import type { Series, StageView } from '../../report/run_view.ts';
import { type Boundary, Chart } from './chart.tsx';
import { unitOrder, unitText } from './words.ts';

/** Lines that a chart has at most: a journal may name any number of measures. */
const mostLines = 20;

/** Drawn anew only when a series changed. */
export const Curves = memo(function Curves({
  series,
  stages,
}: {
  readonly series: readonly Series[];
  readonly stages: readonly StageView[];
}) {
  const groups = groupsOf(series);
  if (groups.length === 0) return <p class="hint">Nothing has been measured yet.</p>;
  return (
    <div class="charts">
      {groups.map((group) => {
        const [{ unit, of }] = group;
        return (
          <Chart
            key={`${of} ${unit}`}
            title={titleOf(group)}
            unit={unit}
            xLabel={`${of}s`}
            lines={group.map(({ title, x, y }) => ({ label: title, x, y }))}
            boundaries={boundariesOf(stages, of)}
          />
        );
      })}
    </div>
  );
});

/** By unit, epochs before steps. */
function groupsOf(series: readonly Series[]): readonly (readonly Series[])[] {
  const groups = new Map<string, Series[]>();
  for (const one of series.filter(({ x }) => x.length > 0)) {
    const key = `${one.of} ${one.unit}`;
    groups.set(key, [...(groups.get(key) ?? []), one].slice(0, mostLines));
  }
  const rank = ([{ unit, of }]: readonly Series[]) => 2 * unitOrder.indexOf(unit) + (of === 'epoch' ? 0 : 1);
  return [...groups.values()].sort((a, b) => rank(a) - rank(b));
}

function titleOf(group: readonly Series[]): string {
  const [{ unit, title, of }] = group;
  const what = group.length === 1 ? title : unit === 'share' ? 'accuracy and other shares' : unit;
  const inUnit = group.length === 1 && !['', title].includes(unitText(unit)) ? `, ${unitText(unit)}` : '';
  return `${what}${inUnit}, by ${of}`;
}

/** Where stages but the first begin. */
function boundariesOf(stages: readonly StageView[], of: Series['of']): readonly Boundary[] {
  return stages.slice(1).map(({ name, before }) => ({ x: before[of], name }));
}
