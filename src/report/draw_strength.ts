// A picture of what alpha says of candidates beside how much the supernet needs them (DARTS-PT, arXiv:2108.04392).
import { aName, check, isRecord, oneOf, type Rule } from '../checks.ts';
import { type CellKey, cellName } from '../genotype/genotype.ts';
import { type Criterion, criteria } from '../select/absence.ts';
import { spearman } from '../statistics/rank_correlation.ts';
import { axes, type Range, roomAround, scalesOf, ticksOf } from './axes.ts';
import { operationColours } from './colours.ts';
import { heatTablePanel } from './heat_table.ts';
import { legendPanel } from './history_area.ts';
import { weightText } from './history_heatmap.ts';
import { type Panel, panelsPicture } from './panels.ts';
import { type Box, inks, lineThrough, shape, textAt, within } from './svg.ts';

/** A candidate as the picture takes it. */
export interface DrawnStrength {
  readonly candidate: string;
  readonly mixing: number;
  readonly strength: number;
}

/** The candidates of an edge. */
export interface DrawnStrengthEdge {
  readonly cell: CellKey;
  /** From 0. */
  readonly node: number;
  readonly input: number;
  readonly candidates: readonly DrawnStrength[];
}

/** Strengths, and what they are in. */
export interface DrawnStrengths {
  readonly measure: 'absence' | 'alone';
  readonly criterion: Criterion;
  readonly edges: readonly DrawnStrengthEdge[];
}

const strengths: Rule = {
  words: 'strengths as findStrength gives them',
  holds: (value) => {
    if (!isRecord(value) || !Array.isArray(value['edges']) || value['edges'].length === 0) return false;
    if (!oneOf(['absence', 'alone']).holds(value['measure']) || !oneOf(criteria).holds(value['criterion']))
      return false;
    return value['edges'].every(isEdge);
  },
};

function isEdge(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { cell, node, input, candidates } = value;
  const isCandidate = (one: unknown) =>
    isRecord(one) && aName.holds(one['candidate']) && [one['mixing'], one['strength']].every(Number.isFinite);
  const places = [node, input].every((place) => Number.isSafeInteger(place));
  return (
    aName.holds(cell) && places && Array.isArray(candidates) && candidates.length > 0 && candidates.every(isCandidate)
  );
}

/** How strengths are written and called. */
interface Unit {
  readonly title: string;
  readonly label: string;
  /** What a strength is multiplied by. */
  readonly scale: number;
  readonly digits: number;
}

const units: Readonly<Record<DrawnStrengths['measure'], Readonly<Record<Criterion, Unit>>>> = {
  absence: {
    acc: { title: 'accuracy lost without it, points', label: 'accuracy lost, points', scale: 100, digits: 2 },
    loss: { title: 'loss that its absence adds', label: 'loss added', scale: 1, digits: 3 },
  },
  alone: {
    acc: { title: 'accuracy with it alone, fine-tuned, %', label: 'accuracy, %', scale: 100, digits: 1 },
    loss: { title: 'loss with it alone, fine-tuned, negated', label: 'loss, negated', scale: 1, digits: 3 },
  },
};

const plot = { width: 330, height: 300 };
const inner = { left: 58, top: 22, right: 10, bottom: 38 };

/**
 * Candidates by mixing weight and strength, cell by cell: as dots, and edge by edge as colours, where the largest of each edge is framed. As
 * SVG. `name`: what they are of. Throws ArgumentError for what are none.
 */
export function drawStrength(name: string, strength: DrawnStrengths): string {
  check('name', name, aName);
  check('strength', strength, strengths);
  const { measure, criterion, edges } = strength;
  const unit = units[measure][criterion];
  const all = edges.flatMap(({ candidates }) => candidates);
  const heights = all.map((one) => one.strength * unit.scale);
  const ranges = {
    weights: [0, Math.ceil(Math.max(...all.map(({ mixing }) => mixing)) * 20) / 20] as const,
    heights: roomAround(heights),
  };
  const columns = [...new Set(all.map(({ candidate }) => candidate))];
  const cells = [...new Set(edges.map(({ cell }) => cell))];
  const rows = cells.map((cell) => {
    const own = edges.filter((edge) => edge.cell === cell);
    const panels = [
      scatterPanel(own, columns, unit, ranges),
      legendPanel(columns),
      tablePanel(own, columns, 'mixing weight', ({ mixing }) => mixing, weightText, ranges.weights),
      tablePanel(
        own,
        columns,
        unit.title,
        (one) => one.strength * unit.scale,
        (value) => value.toFixed(unit.digits).replace(/^-(?=[0.]+$)/, ''),
        endsOf(heights),
      ),
    ];
    return { heading: cellName(cell), panels };
  });
  const title =
    measure === 'absence'
      ? 'What alpha weighs, and what the supernet misses'
      : 'What alpha weighs, and what does well alone';
  return panelsPicture(title, `${name}; framed: the largest of each edge`, rows);
}

/** Never empty. */
function endsOf(values: readonly number[]): Range {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return low === high ? roomAround(values) : [low, high];
}

function tablePanel(
  edges: readonly DrawnStrengthEdge[],
  columns: readonly string[],
  title: string,
  measureOf: (one: DrawnStrength) => number,
  format: (value: number) => string,
  range: Range,
): Panel {
  const rows = edges.map(({ node, input, candidates }) => {
    const values = candidates.map(measureOf);
    const largest = values.indexOf(Math.max(...values));
    const tiles = candidates.map(({ candidate }, i) => ({
      column: candidate,
      value: values[i],
      framed: i === largest,
    }));
    return { label: `(${node}, ${input})`, tiles };
  });
  return heatTablePanel({ columns, rows, title, range, format });
}

function scatterPanel(
  edges: readonly DrawnStrengthEdge[],
  operations: readonly string[],
  unit: Unit,
  ranges: { readonly weights: Range; readonly heights: Range },
): Panel {
  const candidates = edges.flatMap((edge) => edge.candidates);
  const colours = operationColours(operations);
  const x: Range = roomAround(candidates.map(({ mixing }) => mixing));
  const y = ranges.heights;
  const rho = spearman(
    candidates.map(({ mixing }) => mixing),
    candidates.map(({ strength }) => strength),
  );
  const draw = (place: Box) => {
    const box = within(place, inner);
    const scales = scalesOf(box, x, y);
    const title = `Spearman's rho ${rho === null ? 'undefined' : rho.toFixed(3)}`;
    const zero = y[0] < 0 && y[1] > 0 ? scales.y(0) : undefined;
    const ends = { xTicks: ticksOf(x, 6), yTicks: ticksOf(y, 6), xLabel: 'mixing weight', yLabel: unit.label };
    return [
      textAt(place.x + inner.left, place.y + 13, title, { size: 11 }),
      ...axes(box, { x, y, ...ends, yRoom: 34 }),
      ...(zero === undefined ? [] : [zeroLine(box, zero)]),
      ...candidates.map(({ candidate, mixing, strength }) =>
        shape('circle', {
          ...{ cx: scales.x(mixing), cy: scales.y(strength * unit.scale), r: 4, fill: colours.get(candidate) },
          ...{ 'fill-opacity': 0.85, stroke: inks.text, 'stroke-width': 0.6 },
        }),
      ),
    ];
  };
  return { ...plot, draw };
}

function zeroLine({ x, width }: Box, y: number): string {
  const points = [
    [x, y],
    [x + width, y],
  ] as const;
  return lineThrough(points, { stroke: inks.faint, 'stroke-width': 0.9, 'stroke-dasharray': '4 3' });
}
