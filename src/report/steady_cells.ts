// The cells of a search drawn so that nothing but its edges changes from one genotype to the next: for pages and animations. Imports what
// browsers have alone.
import { type CellKey, cellName, cellsOf, type Genotype, type GenotypeCell, inputsOf } from '../genotype/genotype.ts';
import {
  type ArcPlace,
  arcsOf,
  arcText,
  type CellPlaces,
  cellPlaces,
  labelHeight,
  labelSize,
  labelWidth,
  type StatePlace,
} from './cell_places.ts';
import { operationColours, textColourOn } from './colours.ts';
import { inks, lineThrough, movedTo, picture, shape, textAt } from './svg.ts';

/** The places of all cells of a search. */
export interface SteadyLayout {
  readonly width: number;
  readonly height: number;
  readonly cells: readonly (CellPlaces & { readonly x: number; readonly y: number })[];
  /** By operation. */
  readonly colours: ReadonlyMap<string, string>;
}

/** Options of {@link steadyPicture}. */
export interface SteadyPictureOptions {
  /** Edges that it has not are emphasised. */
  readonly previous?: Genotype;
}

/** A part of a picture that comes and goes with the genotypes of a search. */
export interface SteadyPart {
  /** Parts of a higher level cover those of a lower one. */
  readonly level: 0 | 1 | 2;
  /** Of the same part in every picture of the layout. */
  readonly key: string;
  readonly svg: string;
}

/** The operation of an edge that is not there; spelt here, since operations do not load in browsers. */
const nothing = 'none';
const seam = '#4b5563';
/** About how many times as wide as high a picture of many cells is. */
const aspect = 1.6;

/** Places for the cells of all genotypes of a search, in which nodes never move: for every form of genotype, one at least. */
export function steadyLayout(genotypes: readonly Genotype[]): SteadyLayout {
  const byKey = new Map<CellKey, GenotypeCell[]>();
  for (const [key, cell] of genotypes.flatMap(cellsOf)) byKey.set(key, [...(byKey.get(key) ?? []), cell]);
  const places = [...byKey].map(([key, cells]) => cellPlaces(key, cells));
  const operations = genotypes.flatMap((genotype) =>
    cellsOf(genotype).flatMap(([, { nodes }]) => nodes.flat().map(({ operation }) => operation)),
  );
  return { ...inGrid(places), colours: operationColours([...new Set(operations)].sort()) };
}

/** A genotype of the layout as SVG. An edge that is new since the one before is drawn bolder; `none` is dashed. */
export function steadyPicture(
  layout: SteadyLayout,
  genotype: Genotype,
  { previous }: SteadyPictureOptions = {},
): string {
  const parts = steadyParts(layout, genotype, previous);
  const drawn = parts.toSorted((a, b) => a.level - b.level).map(({ svg }) => svg);
  return picture(layout.width, layout.height, [...steadyGround(layout), ...drawn]);
}

/** What all pictures of a layout share: the cells' names, inputs and outputs. */
export function steadyGround({ cells }: SteadyLayout): string[] {
  return cells.map((cell) => {
    const { key, x, y, width, height, states, output, sources } = cell;
    const frame = { x: 2, y: 2, width: width - 4, height: height - 4, rx: 8, fill: '#fcfcfd', stroke: inks.grid };
    const inputs = sources.length > 0 ? sources : states.slice(0, inputsOf(key));
    return movedTo(x, y, [
      shape('rect', frame),
      textAt(12, 20, cellName(key), { size: 13, bold: true }),
      ...sources.map((source) => straight(source, states[0])),
      ...[...inputs, output].flatMap((state) => stateBox(state, '#fef3c7', '#b7890a')),
    ]);
  });
}

/** What a genotype adds to the ground; a part of the same key is the same SVG. Cells that the layout lacks are left out. */
export function steadyParts({ cells, colours }: SteadyLayout, genotype: Genotype, previous?: Genotype): SteadyPart[] {
  const [now, before] = [genotype, previous ?? genotype].map((one) => new Map(cellsOf(one)));
  return cells.flatMap((places) => {
    const cell = now.get(places.key);
    if (cell === undefined) return [];
    const old = new Set(before.get(places.key) ? arcsOf(before.get(places.key)!).map(nameOf) : []);
    const parts = [
      ...nodeParts(places, cell),
      ...arcsOf(cell).flatMap((arc) => {
        const place = places.arcs.get(arc.key);
        if (place === undefined) return [];
        const isNew = !old.has(nameOf(arc));
        const key = `${arc.key} ${arcText(arc.edge)}${isNew ? ' new' : ''}`;
        const colour = colours.get(arc.edge.operation) ?? inks.frame;
        return arcParts(place, { key, operation: arc.edge.operation, text: arcText(arc.edge), colour, isNew });
      }),
    ];
    return parts.map(({ key, level, svg }) => ({
      key: `${places.key} ${key}`,
      level,
      svg: movedTo(places.x, places.y, [svg]),
    }));
  });
}

/** What makes an edge the same as one of another genotype. */
function nameOf({ node, edge }: ReturnType<typeof arcsOf>[number]): string {
  return `${node}.${edge.input} ${edge.operation}`;
}

/** Cells in rows, each place as large as the largest cell. */
function inGrid(places: readonly CellPlaces[]): Pick<SteadyLayout, 'width' | 'height' | 'cells'> {
  const width = Math.max(1, ...places.map((cell) => cell.width));
  const height = Math.max(1, ...places.map((cell) => cell.height));
  const columns = Math.max(1, Math.round(Math.sqrt((places.length * aspect * height) / width)));
  const isOneColumn = columns === 1;
  let y = 0;
  const cells = places.map((cell, index) => {
    const at = { x: (index % columns) * width, y: isOneColumn ? y : Math.floor(index / columns) * height };
    y += cell.height;
    return { ...cell, width, ...(!isOneColumn && { height }), ...at };
  });
  return { width: columns * width, height: isOneColumn ? y : Math.ceil(places.length / columns) * height, cells };
}

/** Nodes: those that make the output are filled and lead to it, others are hollow; those that nothing enters are dashed. */
function nodeParts({ key, states, output, sources }: CellPlaces, { nodes, concat }: GenotypeCell): SteadyPart[] {
  const first = inputsOf(key);
  const ends = concat.filter((state) => states[state] !== undefined);
  const shown = states.slice(0, nodes.length + first).entries();
  const out = ends.length === 0 ? undefined : Math.min(...ends);
  return [
    ...(out === undefined ? [] : [{ key: `out ${out}`, level: 0 as const, svg: straight(states[out], output) }]),
    ...[...shown].slice(sources.length > 0 ? 0 : first).map(([state, place]) => {
      const isStart = state < first;
      const isIsolated = !isStart && nodes[state - first].length === 0;
      const isEnd = ends.includes(state);
      const look = isIsolated ? 'isolated' : isEnd || isStart ? 'filled' : 'hollow';
      const fill = look === 'filled' ? '#dbe4ee' : '#ffffff';
      const svg = stateBox(place, fill, isIsolated ? inks.frame : '#475569', isIsolated).join('');
      return { key: `node ${state} ${look}`, level: 1 as const, svg };
    }),
  ];
}

function stateBox({ name, ...box }: StatePlace, fill: string, stroke: string, isDashed = false): string[] {
  const line = { fill, stroke, 'stroke-width': 1.2, 'stroke-dasharray': isDashed ? '3 2' : undefined };
  const middle = [box.x + box.width / 2, box.y + box.height / 2 + 4] as const;
  return [shape('rect', { ...box, rx: 9, ...line }), textAt(...middle, name, { size: 11, anchor: 'middle' })];
}

/** A faint line between two boxes, from the middle of one to the left edge of the other. */
function straight(from: StatePlace, to: StatePlace): string {
  const [y0, y1] = [from.y + from.height / 2, to.y + to.height / 2];
  const points = [
    [from.x + from.width, y0],
    [to.x, y1],
  ] as const;
  return lineThrough(points, { stroke: '#b6bec9', 'stroke-width': 1.6 });
}

interface ArcLook {
  readonly key: string;
  readonly operation: string;
  readonly text: string;
  readonly colour: string;
  readonly isNew: boolean;
}

/** A line with its head, and the label that covers it. */
function arcParts({ line, head, label: [x, y] }: ArcPlace, look: ArcLook): SteadyPart[] {
  const { key, operation, text, colour, isNew } = look;
  const width = isNew ? 3.4 : 2;
  const path = { d: line, fill: 'none', 'stroke-dasharray': operation === nothing ? '5 4' : undefined };
  const box = { x: x - labelWidth(text) / 2, y: y - labelHeight / 2, width: labelWidth(text), height: labelHeight };
  const outline = { stroke: isNew ? '#111827' : seam, 'stroke-width': isNew ? 1.8 : 0.5 };
  const style = { size: labelSize, anchor: 'middle', fill: textColourOn(colour), bold: isNew } as const;
  const lines = [
    // A darker seam, so that light colours show on white.
    shape('path', { ...path, stroke: seam, 'stroke-width': width + 1 }),
    shape('path', { ...path, stroke: colour, 'stroke-width': width }),
    shape('path', { d: head, fill: colour, stroke: seam, 'stroke-width': 0.5 }),
  ];
  const label = [
    shape('rect', { ...box, rx: 5, fill: colour, ...outline }),
    textAt(x, y + labelSize * 0.36, text, style),
  ];
  return [
    { key: `${key} line`, level: 0, svg: lines.join('') },
    { key: `${key} label`, level: 2, svg: label.join('') },
  ];
}
