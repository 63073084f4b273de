// Pictures of what candidates compute: how they correlate on each edge, and where their mean features lie.
import { aName, anInteger, check, isRecord, listOf, listOfLength, type Rule } from '../checks.ts';
import type { Correlation } from '../features/correlation.ts';
import type { Coordinates } from '../features/projection.ts';
import { axes, roomAround, scalesOf, ticksOf } from './axes.ts';
import { heatColour } from './colours.ts';
import { type Panel, panelsPicture } from './panels.ts';
import { type Box, picture, shape, textAt, widthOf, within } from './svg.ts';

/** What the candidates of an edge compute, as pictures take it. */
export interface DrawnFeatures {
  /** From 0. */
  readonly cell: number;
  readonly node: number;
  readonly input: number;
  /** All but `none`. */
  readonly candidates: readonly string[];
  readonly correlation: Correlation;
  /** Of their mean features: the first two principal components. */
  readonly projection: readonly Coordinates[];
}

const edgeFeatures: Rule = {
  words: 'an edge as findFeatures gives it',
  holds: (value) => {
    if (!isRecord(value)) return false;
    const { candidates, correlation, projection } = value;
    const lists = [candidates, correlation, projection];
    if (!lists.every((list) => Array.isArray(list) && list.length === (candidates as unknown[]).length)) return false;
    const areNumbers = (row: unknown, length: number) =>
      Array.isArray(row) && row.length >= length && row.every(Number.isFinite);
    const { length } = candidates as unknown[];
    return (
      length > 0 &&
      (candidates as unknown[]).every((name) => typeof name === 'string') &&
      (correlation as unknown[]).every((row) => areNumbers(row, length)) &&
      (projection as unknown[]).every((row) => areNumbers(row, 2))
    );
  },
};

const tile = { width: 42, height: 24 };
const edge = { left: 92, top: 72, right: 14 };

/** Correlation matrices of edges, one row of pictures a cell, as SVG. `name`: of the run. Throws ArgumentError for what are none. */
export function drawCorrelations(name: string, features: readonly DrawnFeatures[]): string {
  check('name', name, aName);
  check('features', features, listOf(edgeFeatures, 'a list of edges as findFeatures gives them'));
  const cells = [...new Set(features.map(({ cell }) => cell))];
  const rows = cells.map((cell) => ({
    heading: `cell ${cell}`,
    panels: features.filter((one) => one.cell === cell).map(correlationPanel),
  }));
  return panelsPicture('Correlation of candidates by their features', name, rows);
}

function correlationPanel({ node, input, candidates, correlation }: DrawnFeatures): Panel {
  const width = edge.left + candidates.length * tile.width + edge.right;
  const height = edge.top + candidates.length * tile.height;
  const draw = ({ x, y }: Box) => [
    textAt(x, y + 12, `node ${node}, input ${input}`, { size: 11, bold: true }),
    ...candidates.flatMap((candidate, i) => {
      const top = y + edge.top + i * tile.height;
      const above = x + edge.left + (i + 0.5) * tile.width;
      return [
        textAt(above, y + edge.top - 7, candidate, { size: 10, turned: -45 }),
        textAt(x + edge.left - 8, top + 16, candidate, { size: 10, anchor: 'end' }),
        ...correlation[i].flatMap((value, j) => correlationTile(x + edge.left + j * tile.width, top, value)),
      ];
    }),
  ];
  return { width, height, draw };
}

/** From -1, dark, to 1, light. */
function correlationTile(x: number, y: number, value: number): string[] {
  const { fill, text } = heatColour((value + 1) / 2);
  return [
    shape('rect', { x: x + 0.5, y: y + 0.5, width: tile.width - 1, height: tile.height - 1, fill }),
    textAt(x + tile.width / 2, y + 16, value.toFixed(2).replace(/^-(?=0\.00$)/, ''), {
      size: 10,
      anchor: 'middle',
      fill: text,
    }),
  ];
}

/** 6 by 6 inches, as published. */
const side = 432;
/** Of groups, as published. */
const groupColours = [
  ...['salmon', 'skyblue', 'lightgreen', 'plum', 'wheat', 'lightpink', 'aquamarine', 'lightsteelblue'],
];

/**
 * The candidates of an edge by the first two principal components of their mean features, coloured by group, as SVG. Throws ArgumentError
 * for what is no edge, or for groups of other candidates.
 */
export function drawClusters(features: DrawnFeatures, assignment: readonly number[]): string {
  check('features', features, edgeFeatures);
  check(
    'assignment',
    assignment,
    listOfLength(features.candidates.length, anInteger(0), 'the group of each candidate'),
  );
  const { candidates, projection, cell, node, input } = features;
  const box = within({ x: 0, y: 0, width: side, height: side }, { left: 62, top: 44, right: 22, bottom: 46 });
  const range = (axis: number) => roomAround(projection.map((point) => point[axis]));
  const [x, y] = [range(0), range(1)];
  const scales = scalesOf(box, x, y);
  const labels = { xLabel: 'first component', yLabel: 'second component' };
  return picture(side, side, [
    textAt(side / 2, 18, 'feature clusters', { size: 13, anchor: 'middle', bold: true }),
    textAt(side / 2, 34, `cell ${cell}, node ${node}, input ${input}`, { size: 10, anchor: 'middle' }),
    ...axes(box, { x, y, xTicks: ticksOf(x, 4), yTicks: ticksOf(y, 4), ...labels }),
    ...candidates.flatMap((candidate, i) => {
      const [at, up] = [scales.x(projection[i][0]), scales.y(projection[i][1])];
      const fill = groupColours[assignment[i] % groupColours.length];
      const isRight = at + 9 + widthOf(candidate, 11) > box.x + box.width;
      return [
        shape('circle', { cx: at, cy: up, r: 6, fill, stroke: '#374151', 'stroke-width': 0.7 }),
        textAt(isRight ? at - 9 : at + 9, up + 4, candidate, { anchor: isRight ? 'end' : 'start' }),
      ];
    }),
  ]);
}
