// A picture of a selection's scores: decision by decision, which absence cost how much (DARTS-PT, arXiv:2108.04392).
import { aName, check, checkOptional, checkOptions, isRecord, oneOf, type Rule } from '../checks.ts';
import { type CellKey, cellName } from '../genotype/genotype.ts';
import { type Criterion, criteria } from '../select/absence.ts';
import { axes, type Range, roomAround, scalesOf, ticksOf } from './axes.ts';
import { operationColours } from './colours.ts';
import { legendPanel } from './history_area.ts';
import { type Panel, panelsPicture } from './panels.ts';
import { type Box, inks, lineThrough, shape, textAt, within } from './svg.ts';

/** Something that was left out, as the picture takes it. */
export interface DrawnAbsence {
  readonly operation: string;
  readonly input: number;
  /** From 0 to 1. */
  readonly accuracy: number;
  readonly loss: number;
}

/** A cell's part in a decision, or a round of it. */
export interface DrawnDecision {
  readonly kind: 'operation' | 'inputs';
  readonly number: number;
  readonly cell: CellKey;
  readonly node: number;
  readonly round?: number;
  readonly tried: readonly DrawnAbsence[];
  readonly decided: number;
}

/** Decisions, and what they were made by. */
export interface DrawnDecisions {
  readonly criterion: Criterion;
  readonly decisions: readonly DrawnDecision[];
}

/** Options of {@link drawScores}. */
export interface DrawScoresOptions {
  /** What is drawn; what decided when absent. */
  readonly projCrit?: Criterion;
}

const scoredDecisions: Rule = {
  words: 'decisions as readDecisions gives them',
  holds: (value) => {
    if (!isRecord(value) || !oneOf(criteria).holds(value['criterion']) || !Array.isArray(value['decisions']))
      return false;
    return value['decisions'].length > 0 && value['decisions'].every(isDecision);
  },
};

function isDecision(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { kind, number, cell, node, tried, decided } = value;
  const isTried = (one: unknown) =>
    isRecord(one) &&
    aName.holds(one['operation']) &&
    [one['input'], one['accuracy'], one['loss']].every(Number.isFinite);
  return (
    oneOf(['operation', 'inputs']).holds(kind) &&
    aName.holds(cell) &&
    [number, node, decided].every(Number.isSafeInteger) &&
    Array.isArray(tried) &&
    tried.every(isTried) &&
    Number(decided) in tried
  );
}

const plotHeight = 250;
const inner = { left: 74, top: 22, right: 8, bottom: 50 };
/** Between two dots of a decision, and between decisions. */
const [step, gap] = [7.5, 14];
const leastWidth = 34;

/**
 * Decisions of a selection in their order, cell by cell: how the supernet did without each candidate of an edge, or without each edge of a node;
 * what was kept is ringed, what went is crossed out. As SVG. `name`: of the run. Throws ArgumentError for what are none.
 */
export function drawScores(name: string, scored: DrawnDecisions, options: DrawScoresOptions = {}): string {
  check('name', name, aName);
  check('scored', scored, scoredDecisions);
  checkOptions('options', options, ['projCrit']);
  checkOptional('projCrit', options.projCrit, oneOf(criteria));
  const { decisions } = scored;
  const measure = measures[options.projCrit ?? scored.criterion];
  const range = roomAround(decisions.flatMap(({ tried }) => tried.map(measure.of)));
  const operations = [...new Set(decisions.flatMap(({ tried }) => tried.map(({ operation }) => operation)))];
  const cells = [...new Set(decisions.map(({ cell }) => cell))];
  const rows = cells.map((cell) => ({
    heading: cellName(cell),
    panels: [
      decisionsPanel(
        decisions.filter((one) => one.cell === cell),
        { measure, range, operations },
      ),
      legendPanel(operations),
    ],
  }));
  const marks = [
    'ringed: the operation that its edge keeps',
    ...(decisions.some(({ kind }) => kind === 'inputs') ? ['crossed out: the edge that its node loses'] : []),
    'stems: from the one that is missed least',
  ];
  return panelsPicture(`${measure.title} without each, decision by decision`, `${name}; ${marks.join('; ')}`, rows);
}

/** What of a score is drawn. */
interface DrawnMeasure {
  readonly title: string;
  readonly label: string;
  of(score: DrawnAbsence): number;
  /** Of a decision's values the one that is missed least. */
  best(values: readonly number[]): number;
}

const measures: Readonly<Record<Criterion, DrawnMeasure>> = {
  acc: {
    ...{ title: 'Accuracy', label: 'accuracy without it, %' },
    ...{ of: ({ accuracy }) => 100 * accuracy, best: (values) => Math.max(...values) },
  },
  loss: {
    ...{ title: 'Loss', label: 'loss without it' },
    ...{ of: ({ loss }) => loss, best: (values) => Math.min(...values) },
  },
};

/** How the decisions of a cell are drawn. */
interface Drawing {
  readonly measure: DrawnMeasure;
  readonly range: Range;
  /** All that the picture tells of, in the order of their colours. */
  readonly operations: readonly string[];
}

function decisionsPanel(decisions: readonly DrawnDecision[], { measure, range, operations }: Drawing): Panel {
  const colours = operationColours(operations);
  const widths = decisions.map(({ tried }) => Math.max(leastWidth, (tried.length - 1) * step + gap + 6));
  const width = widths.reduce((sum, one) => sum + one, 0);
  const draw = (place: Box) => {
    const box = within(place, inner);
    const { y } = scalesOf(box, [0, width], range);
    let left = box.x;
    const columns = widths.map((wide) => {
      const column = { ...box, x: left, width: wide };
      left += wide;
      return column;
    });
    // Rounds of a decision lie on one ground.
    const isShaded = (i: number) => decisions[i].number % 2 === 0;
    const hasRounds = decisions.some(({ round }) => round !== undefined);
    return [
      ...columns.flatMap((column, i) => (isShaded(i) ? [shape('rect', { ...column, fill: '#f3f4f6' })] : [])),
      ...axes(box, {
        x: [0, width],
        y: range,
        xTicks: [],
        yTicks: ticksOf(range, 6),
        yLabel: measure.label,
        yRoom: 50,
      }),
      ...rowNames(box, hasRounds ? ['decision', 'edge or node', 'round'] : ['decision', 'edge']),
      ...columns.flatMap((column, i) => decisionMarks(column, decisions[i], { measure, y, colours })),
    ];
  };
  return { width: inner.left + width + inner.right, height: plotHeight + inner.bottom, draw };
}

/** What stands below the decisions. */
function rowNames({ x, y, height }: Box, names: readonly string[]): string[] {
  const style = { size: 9, anchor: 'end', fill: inks.faint } as const;
  return names.map((name, row) => textAt(x - 6, y + height + 13 + 12 * row, name, style));
}

function decisionMarks(
  column: Box,
  { kind, number, node, round, tried, decided }: DrawnDecision,
  {
    measure,
    y,
    colours,
  }: {
    readonly measure: DrawnMeasure;
    readonly y: (value: number) => number;
    readonly colours: ReadonlyMap<string, string>;
  },
): string[] {
  const middle = column.x + column.width / 2;
  const values = tried.map(measure.of);
  const base = y(measure.best(values));
  const spots = values.map((value, i) => [middle + (i - (tried.length - 1) / 2) * step, y(value)] as const);
  const bottom = column.y + column.height;
  const below = (row: number, content: string) =>
    textAt(middle, bottom + 13 + 12 * row, content, { size: 9, anchor: 'middle' });
  const [[first], [last]] = [spots[0], spots[spots.length - 1]];
  return [
    below(0, String(number)),
    below(1, kind === 'operation' ? `(${node}, ${tried[0].input})` : `node ${node}`),
    ...(round === undefined ? [] : [below(2, String(round))]),
    lineThrough(
      [
        [first - 3, base],
        [last + 3, base],
      ],
      { stroke: inks.frame, 'stroke-width': 0.8 },
    ),
    ...spots.flatMap(([x, at], i) => {
      const fill = colours.get(tried[i].operation);
      const stem = lineThrough(
        [
          [x, base],
          [x, at],
        ],
        { stroke: fill, 'stroke-width': 1.6, 'stroke-opacity': 0.55 },
      );
      const dot = shape('circle', { cx: x, cy: at, r: 3, fill, stroke: inks.text, 'stroke-width': 0.5 });
      // Which edge a dot is, of a node's.
      const state = textAt(x, Math.max(base, at) + 11, String(tried[i].input), {
        ...{ size: 7.5, anchor: 'middle', fill: inks.faint },
      });
      return [stem, dot, ...(kind === 'inputs' ? [state] : []), ...(i === decided ? [markAt(kind, x, at)] : [])];
    }),
  ];
}

/** A ring around what is kept, a cross through what goes. */
function markAt(kind: DrawnDecision['kind'], x: number, y: number): string {
  const style = { stroke: '#000000', 'stroke-width': 1.4, fill: 'none' };
  if (kind === 'operation') return shape('circle', { cx: x, cy: y, r: 5.2, ...style });
  const r = 4.2;
  return shape('path', { d: crossOf(x, y, r), ...style });
}

function crossOf(x: number, y: number, r: number): string {
  const at = (dx: number, dy: number) => `${(x + dx).toFixed(2)} ${(y + dy).toFixed(2)}`;
  return `M${at(-r, -r)}L${at(r, r)}M${at(-r, r)}L${at(r, -r)}`;
}
