// Where the parts of a cell lie while it is searched: its states on a line, an arc for every edge that it ever has. Nothing moves between
// the genotypes of a search, since the places are those of all of them together.
import { type CellKey, type GenotypeCell, type GenotypeEdge, inputsOf, recurrentCell } from '../genotype/genotype.ts';
import { inputNames, operationText, outputName, stateNames } from './cell_words.ts';
import { type Box, round, widthOf } from './svg.ts';

/** A box with a name. */
export interface StatePlace extends Box {
  readonly name: string;
}

/** An arc from a state to a node, and the place of its label. */
export interface ArcPlace {
  /** Commands of an SVG path, and those of its head. */
  readonly line: string;
  readonly head: string;
  /** Middle of the label. */
  readonly label: readonly [x: number, y: number];
}

/** The places of one cell, from its upper left corner. */
export interface CellPlaces {
  readonly key: CellKey;
  readonly width: number;
  readonly height: number;
  /** By number, as genotypes count them. */
  readonly states: readonly StatePlace[];
  readonly output: StatePlace;
  /** Of a recurrent cell what its first state is made of. */
  readonly sources: readonly StatePlace[];
  /** By {@link arcsOf}'s keys. */
  readonly arcs: ReadonlyMap<string, ArcPlace>;
}

/** An edge of a genotype under the key of its arc. */
export interface CellArc {
  readonly key: string;
  readonly node: number;
  readonly edge: GenotypeEdge;
}

export const labelSize = 10.5;
export const labelHeight = 16;
/** Longer names are cut. */
const mostCharacters = 28;
const headingHeight = 28;
const margin = 12;
const stateHeight = 22;
const levelHeight = 25;
const lowestLevel = 17;
const headLength = 6;
/** Arcs beyond which labels are not moved out of the way of lines: each is compared with all. */
const mostMoved = 150;

/** The edges of a cell; several operations between the same states are told apart by a number. */
export function arcsOf({ nodes }: GenotypeCell): CellArc[] {
  return nodes.flatMap((edges, node) => {
    const seen = new Map<number, number>();
    return edges.map((edge) => {
      const slot = seen.get(edge.input) ?? 0;
      seen.set(edge.input, slot + 1);
      return { key: `${node}.${edge.input}.${slot}`, node, edge };
    });
  });
}

/** What stands on an edge. */
export function arcText(edge: GenotypeEdge): string {
  const text = operationText(edge);
  return text.length > mostCharacters ? `${text.slice(0, mostCharacters - 1)}…` : text;
}

export function labelWidth(text: string): number {
  return widthOf(text, labelSize) + 10;
}

/** An arc before it has a place. */
interface Arc {
  readonly key: string;
  readonly from: number;
  readonly to: number;
  readonly slot: number;
  /** Of its widest label. */
  width: number;
}

/** Places for all that cells of one key ever have. */
export function cellPlaces(key: CellKey, cells: readonly GenotypeCell[]): CellPlaces {
  const arcs = arcsOfAll(key, cells);
  const nodes = cells.reduce((most, cell) => Math.max(most, cell.nodes.length), 1);
  const unit = arcs.reduce((most, { width }) => Math.max(most, width + 34), 66);
  const levels = levelsOf(arcs);
  const [above, below] = [0, 1].map((side) =>
    arcs.filter(({ from }) => sideOf(from) === side).reduce((most, arc) => Math.max(most, levels(arc)), 0),
  );
  const middle = headingHeight + above + stateHeight;
  const sources = key === recurrentCell ? inputNames(key).map((name, i) => sourceAt(name, i, middle)) : [];
  const left = margin + (sources.length > 0 ? 84 : 22);
  const states = stateNames(key, nodes).map((name, i) => stateAt(name, left + i * unit, middle));
  const output = stateAt(outputName(key), left + (states.length - 0.25) * unit, middle);
  const curves = curvesOf(arcs, states, levels);
  return {
    key,
    width: output.x + output.width + margin,
    height: middle + stateHeight + Math.max(below, sources.length > 0 ? 24 : 4) + margin,
    states,
    output,
    sources,
    arcs: new Map(withLabels(curves)),
  };
}

function arcsOfAll(key: CellKey, cells: readonly GenotypeCell[]): Arc[] {
  const arcs = new Map<string, Arc>();
  for (const arc of cells.flatMap(arcsOf)) {
    const width = labelWidth(arcText(arc.edge));
    const known = arcs.get(arc.key);
    if (known !== undefined) known.width = Math.max(known.width, width);
    else {
      const slot = Number(arc.key.split('.')[2]);
      arcs.set(arc.key, { key: arc.key, from: arc.edge.input, to: arc.node + inputsOf(key), slot, width });
    }
  }
  return [...arcs.values()];
}

/** Arcs from even states pass above, the others below: that crosses the fewest. */
function sideOf(from: number): 0 | 1 {
  return from % 2 === 0 ? 0 : 1;
}

/** How high arcs rise: the further they reach, the higher, with room for as many labels as an edge of that reach has. */
function levelsOf(arcs: readonly Arc[]): (arc: Arc) => number {
  const lowest = [0, 1].map((side) => {
    const slots = new Map<number, number>();
    for (const { from, to, slot } of arcs) {
      if (sideOf(from) === side) slots.set(to - from, Math.max(slots.get(to - from) ?? 0, slot + 1));
    }
    const spans = [...slots].sort(([a], [b]) => a - b);
    const below = (index: number) => spans.slice(0, index).reduce((sum, [, count]) => sum + count, 0);
    return new Map(spans.map(([span], index) => [span, below(index)] as const));
  });
  return ({ from, to, slot }) => lowestLevel + (lowest[sideOf(from)].get(to - from)! + slot) * levelHeight;
}

function stateAt(name: string, x: number, middle: number): StatePlace {
  const width = Math.max(34, widthOf(name, 11) + 12);
  return { name, x: x - width / 2, y: middle - stateHeight / 2, width, height: stateHeight };
}

function sourceAt(name: string, index: number, middle: number): StatePlace {
  return stateAt(name, margin + 24, middle + (index === 0 ? -22 : 22));
}

/** A curve: its ends, and how far it rises, negative upwards. */
interface Curve extends Arc {
  readonly begin: readonly [x: number, y: number];
  readonly end: readonly [x: number, y: number];
  readonly rise: number;
}

function curvesOf(arcs: readonly Arc[], states: readonly StatePlace[], levels: (arc: Arc) => number): Curve[] {
  const ports = portsOf(arcs, levels);
  return arcs.map((arc) => {
    const up = sideOf(arc.from) === 0 ? -1 : 1;
    const at = (state: number, end: 'from' | 'to') => {
      const { x, y, width, height } = states[state];
      const { place, count } = ports(state, arc, end);
      const apart = Math.min(7, (width - 8) / count);
      return [x + width / 2 + (place - (count - 1) / 2) * apart, y + height / 2 + (up * height) / 2] as const;
    };
    return { ...arc, begin: at(arc.from, 'from'), end: at(arc.to, 'to'), rise: up * levels(arc) };
  });
}

/** Which place along a state's edge an arc has: those that come in lie left, and higher arcs nearer the middle, so that none cross there. */
function portsOf(arcs: readonly Arc[], levels: (arc: Arc) => number) {
  const table = new Map<string, string[]>();
  const places = arcs.flatMap((arc) => [
    { arc, state: arc.to, end: 'to', order: levels(arc) - 1e9 },
    { arc, state: arc.from, end: 'from', order: 1e9 - levels(arc) },
  ]);
  for (const { arc, state, end } of places.sort((a, b) => a.order - b.order)) {
    const edge = `${state} ${sideOf(arc.from)}`;
    table.set(edge, [...(table.get(edge) ?? []), `${arc.key} ${end}`]);
  }
  return (state: number, { key, from }: Arc, end: 'from' | 'to') => {
    const along = table.get(`${state} ${sideOf(from)}`)!;
    return { place: along.indexOf(`${key} ${end}`), count: along.length };
  };
}

/** A point of a curve, 0 at its begin and 1 at its end: the control points lie a third beyond the rise, so that the apex reaches it. */
function pointOf({ begin, end, rise }: Curve, t: number): readonly [x: number, y: number] {
  const eased = t * t * (3 - 2 * t);
  return [begin[0] + (end[0] - begin[0]) * eased, begin[1] + rise * 4 * t * (1 - t)];
}

function lineOf({ begin, end, rise }: Curve): string {
  const [[x0, y0], [x1, y1]] = [begin, end];
  const control = round(y0 + (rise * 4) / 3);
  const last = y1 + Math.sign(rise) * (headLength - 1);
  return `M${round(x0)} ${round(y0)}C${round(x0)} ${control} ${round(x1)} ${control} ${round(x1)} ${round(last)}`;
}

function headOf({ end: [x, y], rise }: Curve): string {
  const back = round(y + Math.sign(rise) * headLength);
  return `M${round(x)} ${round(y)}L${round(x - 3.2)} ${back}h6.4z`;
}

/** Where a label may lie on its arc but in the middle, the nearest first. */
const labelPlaces = [0.46, 0.54, 0.42, 0.58, 0.38, 0.62, 0.34, 0.66, 0.3, 0.7];
const samples = Array.from({ length: 33 }, (_, i) => i / 32);

/**
 * Labels lie on their arcs. In the middle of each none covers another, since arcs differ in middle or in height; from there they move
 * along their arcs where that hides less of other arcs and still covers no label.
 */
function withLabels(curves: readonly Curve[]): [string, ArcPlace][] {
  const boxes = curves.map((curve) => boxAt(curve, 0.5));
  const mayMove = curves.length <= mostMoved;
  const points = mayMove ? curves.map((curve) => samples.map((t) => pointOf(curve, t))) : [];
  return curves.map((curve, index) => {
    const costOf = (box: Box) =>
      points.reduce((sum, line, i) => (i === index ? sum : sum + line.filter((point) => isIn(box, point)).length), 0);
    const isFree = (box: Box) => boxes.every((other, i) => i === index || !overlap(box, other));
    const elsewhere = mayMove ? labelPlaces.map((t) => boxAt(curve, t)).filter(isFree) : [];
    const free = [boxes[index], ...elsewhere];
    const costs = free.map(costOf);
    const box = free[costs.indexOf(Math.min(...costs))];
    boxes[index] = box;
    const label = [box.x + box.width / 2, box.y + box.height / 2] as const;
    return [curve.key, { line: lineOf(curve), head: headOf(curve), label }];
  });
}

function boxAt(curve: Curve, t: number): Box {
  const [x, y] = pointOf(curve, t);
  return { x: x - curve.width / 2, y: y - labelHeight / 2, width: curve.width, height: labelHeight };
}

function isIn({ x, y, width, height }: Box, [atX, atY]: readonly [number, number]): boolean {
  return atX > x - 2 && atX < x + width + 2 && atY > y - 2 && atY < y + height + 2;
}

function overlap(a: Box, b: Box): boolean {
  const gap = 3;
  return (
    a.x < b.x + b.width + gap && b.x < a.x + a.width + gap && a.y < b.y + b.height + gap && b.y < a.y + a.height + gap
  );
}
