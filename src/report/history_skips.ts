// The share of skip connections over epochs, of one run or of several: how DARTS collapses, and that FairDARTS does not.
import { skipName } from '../operation/operations.ts';
import type { OperationCounts } from '../select/statistics.ts';
import { axes, scalesOf, ticksOf } from './axes.ts';
import type { Panel } from './panels.ts';
import { runLine, titleHeight } from './run_lines.ts';
import { type Box, textAt, within } from './svg.ts';

/** A run's counts under the name that the legend has for it. */
export interface NamedCounts {
  readonly name: string;
  readonly counts: readonly OperationCounts[];
}

const plot = { width: 400, height: 220 };
const inner = { left: 46, top: titleHeight, right: 10, bottom: 38 };

/** Of a genotype's entries; none of an empty one. */
export function skipShare({ skips, entries }: OperationCounts): number {
  return entries === 0 ? 0 : skips / entries;
}

/** Of the edges those whose largest weight is a skip connection's. */
export function ledShare({ largest, edges }: OperationCounts): number {
  return (largest[skipName] ?? 0) / edges;
}

/** A line a run, of a share that `shareOf` takes from its counts. */
export function sharePanel(
  runs: readonly NamedCounts[],
  title: string,
  shareOf: (counts: OperationCounts) => number,
): Panel {
  return { ...plot, draw: (place) => sharePlot(place, runs, title, shareOf) };
}

function sharePlot(
  place: Box,
  runs: readonly NamedCounts[],
  title: string,
  shareOf: (counts: OperationCounts) => number,
): string[] {
  const box = within(place, inner);
  const epochs = runs.flatMap(({ counts }) => counts.map(({ epoch }) => epoch));
  const [first, last] = [Math.min(...epochs), Math.max(...epochs)];
  const x = first === last ? ([first - 0.5, last + 0.5] as const) : ([first, last] as const);
  // A little beyond, so that lines at 0 and at 1 are whole.
  const y = [-0.03, 1.03] as const;
  const scales = scalesOf(box, x, y);
  const format = (share: number) => `${Math.round(share * 100)}%`;
  return [
    textAt(place.x + inner.left, place.y + 13, title, { size: 11 }),
    ...axes(box, { x, y, xTicks: ticksOf(x, 8, 1), yTicks: [0, 0.25, 0.5, 0.75, 1], xLabel: 'epochs done', format }),
    ...runs.flatMap(({ counts }, i) =>
      runLine(
        counts.map((at) => [scales.x(at.epoch), scales.y(shareOf(at))]),
        i,
      ),
    ),
  ];
}
