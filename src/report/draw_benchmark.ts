// A picture of what a benchmark says of the cells that runs stood at, epoch by epoch.
import { isDeepStrictEqual } from 'node:util';
import { aName, check, isRecord, listOf, type Rule } from '../checks.ts';
import { axes, type Range, roomAround, scalesOf, ticksOf } from './axes.ts';
import { type Panel, panelsPicture } from './panels.ts';
import { runLegendPanel, runLine, titleHeight } from './run_lines.ts';
import { type Box, inks, lineThrough, textAt, within } from './svg.ts';

/** A run as the picture takes it. */
export interface DrawnBenchmarkCurve {
  readonly run: string;
  readonly columns: readonly string[];
  /** The highest accuracy of the table, in percent, by column. */
  readonly best: Readonly<Record<string, number>>;
  readonly points: readonly {
    readonly epochs: number;
    /** In percent, by column. */
    readonly accuracies: Readonly<Record<string, number>>;
  }[];
}

const aCurve: Rule = {
  words: 'a curve as benchmarkCurve gives it',
  holds: (value) => {
    if (!isRecord(value) || !aName.holds(value['run'])) return false;
    const { columns, best, points } = value;
    if (!Array.isArray(columns) || columns.length === 0 || !columns.every(aName.holds)) return false;
    const hasAll = (one: unknown) => isRecord(one) && columns.every((column: string) => Number.isFinite(one[column]));
    const isPoint = (one: unknown) => isRecord(one) && Number.isFinite(one['epochs']) && hasAll(one['accuracies']);
    return hasAll(best) && Array.isArray(points) && points.length > 0 && points.every(isPoint);
  },
};

const someCurves: Rule = {
  words: 'a list of curves as benchmarkCurve gives them, all of the same columns',
  holds: (value) => {
    if (!listOf(aCurve, '').holds(value)) return false;
    const [first, ...others] = value as readonly DrawnBenchmarkCurve[];
    return first !== undefined && others.every(({ columns }) => isDeepStrictEqual(columns, first.columns));
  },
};

const plot = { width: 420, height: 240 };
const inner = { left: 56, top: titleHeight, right: 10, bottom: 38 };

/** Accuracies by epoch, a plot a column of the first one's, a line a run, as SVG. Throws ArgumentError for what are no curves of one table. */
export function drawBenchmarkCurves(curves: readonly DrawnBenchmarkCurve[]): string {
  check('curves', curves, someCurves);
  const [first] = curves;
  const named = curves.map(({ run }) => ({ name: run }));
  const rows = first.columns.map((column, i) => ({
    heading: column,
    panels: [curvePanel(curves, column), ...(i === 0 ? [runLegendPanel(named)] : [])],
  }));
  const subtitle = 'accuracy in percent of the cell that a run stood at; dashed: the best cell of the table';
  return panelsPicture('NAS-Bench-201 on the way', subtitle, rows);
}

function curvePanel(curves: readonly DrawnBenchmarkCurve[], column: string): Panel {
  const best = curves[0].best[column];
  const points = curves.flatMap((curve) => curve.points);
  const epochs = points.map((point) => point.epochs);
  const [low, high] = [Math.min(...epochs), Math.max(...epochs)];
  const x: Range = low === high ? [low - 0.5, high + 0.5] : [low, high];
  const y = roomAround([...points.map(({ accuracies }) => accuracies[column]), best]);
  const draw = (place: Box) => {
    const box = within(place, inner);
    const scales = scalesOf(box, x, y);
    const ends = { xTicks: ticksOf(x, 8, 1), yTicks: ticksOf(y, 6), xLabel: 'epochs done', yLabel: 'accuracy, %' };
    const bestAt = scales.y(best);
    return [
      ...axes(box, { x, y, ...ends, yRoom: 34 }),
      lineThrough(
        [
          [box.x, bestAt],
          [box.x + box.width, bestAt],
        ],
        { stroke: inks.faint, 'stroke-width': 0.9, 'stroke-dasharray': '4 3' },
      ),
      textAt(box.x + box.width - 4, bestAt - 4, best.toFixed(2), { size: 9, anchor: 'end', fill: inks.faint }),
      ...curves.flatMap((curve, i) =>
        runLine(
          curve.points.map((point) => [scales.x(point.epochs), scales.y(point.accuracies[column])]),
          i,
        ),
      ),
    ];
  };
  return { ...plot, draw };
}
