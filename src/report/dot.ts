import {
  type CellKey,
  cellName,
  cellsOf,
  type Genotype,
  type GenotypeCell,
  inputsOf,
  recurrentCell,
} from '../genotype/genotype.ts';
import { checkGenotype } from '../genotype/rules.ts';
import { inputNames, operationText, outputName, stateNames } from './cell_words.ts';

/** Fill and outline of a label or of a state. */
interface Colours {
  readonly fill: string;
  readonly line: string;
}

/** The first family whose pattern an operation's name matches gives its colours. */
const families: readonly (readonly [RegExp, Colours])[] = [
  [/^(sep_conv|dua_sepc)/, { fill: '#dbeafe', line: '#3b82f6' }],
  [/^dil_(conv|sepc)/, { fill: '#ede9fe', line: '#8b5cf6' }],
  [/_pool/, { fill: '#dcfce7', line: '#22a355' }],
  [/^(skip_connect|none|identity)$/, { fill: '#f3f4f6', line: '#9ca3af' }],
  [/^(nor_)?conv_/, { fill: '#cffafe', line: '#0891b2' }],
  [/^tanh$/, { fill: '#dbeafe', line: '#3b82f6' }],
  [/^relu$/, { fill: '#dcfce7', line: '#22a355' }],
  [/^sigmoid$/, { fill: '#ede9fe', line: '#8b5cf6' }],
];
const otherColours: Colours = { fill: '#ffedd5', line: '#f97316' };

/** How the states of a cell look. */
interface StateColours {
  readonly input: Colours;
  readonly node: Colours;
  readonly output: Colours;
}

const amber: Colours = { fill: '#fef3c7', line: '#d9a406' };
const grey: Colours = { fill: '#e5e7eb', line: '#6b7280' };
const pairColours: StateColours = { input: amber, node: grey, output: amber };

/** Those of the published pictures: dark sea green, light blue, pale goldenrod. */
const publishedColours: StateColours = {
  input: { fill: '#b4eeb4', line: '#4d9a4d' },
  node: { fill: '#add8e6', line: '#4a8ba3' },
  output: { fill: '#eee8aa', line: '#b5a642' },
};

const ink = '#1f2937';
const wire = '#6b7280';
const faintWire = '#c3c9d2';

/**
 * Draws the cells as one Graphviz digraph, left to right: an operation stands as a label on its edge, coloured by family, so
 * that no line crosses it. An isolated node of a cell of triples, which no entry enters, is drawn grey where an entry reads it,
 * and not at all elsewhere. Of a recurrent cell the nodes of its concat alone lead to the output. Throws ArgumentError for a faulty genotype.
 */
export function cellsToDot(genotype: Genotype): string {
  checkGenotype(genotype);
  const isPublished = genotype.entries === 'triples' || genotype.recurrent !== undefined;
  const colours = isPublished ? publishedColours : pairColours;
  const cells = cellsOf(genotype);
  const keys = cells.map(([key]) => key);
  const lines = [
    'graph [rankdir=LR, newrank=true, bgcolor=white, fontname="Arimo", fontsize=16, nodesep=0.14, ranksep=0.5, pad=0.2]',
    `node [fontname="Arimo", fontsize=13, fontcolor="${ink}", style="rounded,filled", shape=box, height=0.32, width=0.4, margin="0.11,0.04"]`,
    `edge [color="${wire}", penwidth=1.2, arrowsize=0.6]`,
    // Clusters stack upwards, so the last comes out on top.
    ...cells.toReversed().flatMap(([key, cell]) => cellLines(key, cell, colours)),
    `{ rank=min; ${keys.flatMap((key) => inputNames(key).map((name) => quote(`${key} ${name}`))).join('; ')} }`,
    `{ rank=max; ${keys.map((key) => quote(`${key} ${outputName(key)}`)).join('; ')} }`,
  ];
  return `digraph genotype {\n${lines.map((line) => `  ${line}\n`).join('')}}\n`;
}

function cellLines(key: CellKey, { nodes, concat }: GenotypeCell, colours: StateColours): string[] {
  const inputs = inputNames(key);
  const states = stateNames(key, nodes.length);
  const names = states.map((state) => quote(`${key} ${state}`));
  const output = quote(`${key} ${outputName(key)}`);
  const sources = new Set(nodes.flat().map(({ input }) => input));
  const lines = [
    `label=<<B>${cellName(key)}</B>>; labeljust=l; fontcolor="${ink}"; style=rounded; color="#e5e7eb"; bgcolor="#fcfcfd"; margin=14`,
    ...inputs.map((name) => `${quote(`${key} ${name}`)} [label="${name}", ${coloured(colours.input)}]`),
    `${output} [label="${outputName(key)}", ${coloured(colours.output)}]`,
  ];
  const circle = (state: number, colour: Colours) =>
    `${names[state]} [label="${states[state]}", shape=circle, style=filled, ${coloured(colour)}, margin=0.02]`;
  if (key === recurrentCell) {
    lines.push(circle(0, colours.node), ...inputs.map((name) => `${quote(`${key} ${name}`)} -> ${names[0]}`));
  }
  nodes.forEach((edges, node) => {
    const isIsolated = edges.length === 0;
    const state = node + inputsOf(key);
    if (isIsolated && !sources.has(state)) return;
    lines.push(circle(state, isIsolated ? grey : colours.node));
    edges.forEach((edge, index) => {
      const label = quote(`${key} ${node}.${index}`);
      const family = families.find(([pattern]) => pattern.test(edge.operation))?.[1] ?? otherColours;
      lines.push(
        `${label} [label=${quoteLabel(operationText(edge))}, fontsize=11, height=0.26, ${coloured(family)}]`,
        `${names[edge.input]}:e -> ${label}:w [arrowhead=none]`,
        `${label}:e -> ${names[state]} [weight=4]`,
      );
    });
  });
  for (const state of concat) lines.push(`${names[state]} -> ${output}:w [color="${faintWire}"]`);
  // What leads nowhere would be laid out below one another.
  if (concat.length === 0) lines.push(`${names[inputs.length - 1]} -> ${output} [style=invis, minlen=2]`);
  return [`subgraph ${quote(`cluster ${key}`)} {`, ...lines.map((line) => `  ${line}`), '}'];
}

function coloured({ fill, line }: Colours): string {
  return `fillcolor="${fill}", color="${line}"`;
}

function quote(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}

/** A label is read for HTML entities too, which no operation's name means. */
function quoteLabel(text: string): string {
  return quote(text.replaceAll('&', '&amp;'));
}
