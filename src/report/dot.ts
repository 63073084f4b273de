import type { CellType, Genotype, GenotypeCell } from '../genotype/genotype.ts';
import { checkGenotype } from '../genotype/rules.ts';

/** Fill and outline of an operation's label. */
interface Colours {
  readonly fill: string;
  readonly line: string;
}

/** The first family whose pattern an operation's name matches gives its colours. */
const families: readonly (readonly [RegExp, Colours])[] = [
  [/^sep_conv/, { fill: '#dbeafe', line: '#3b82f6' }],
  [/^dil_conv/, { fill: '#ede9fe', line: '#8b5cf6' }],
  [/_pool/, { fill: '#dcfce7', line: '#22a355' }],
  [/^(skip_connect|none)$/, { fill: '#f3f4f6', line: '#9ca3af' }],
  [/^conv_/, { fill: '#cffafe', line: '#0891b2' }],
];
const otherColours: Colours = { fill: '#ffedd5', line: '#f97316' };

const ink = '#1f2937';
const wire = '#6b7280';
const faintWire = '#c3c9d2';

/**
 * Draws both cells as one Graphviz digraph, left to right: an operation stands as a label on its edge, coloured by family, so
 * that no line crosses it. Throws ArgumentError for a faulty genotype.
 */
export function cellsToDot(genotype: Genotype): string {
  checkGenotype(genotype);
  const lines = [
    'graph [rankdir=LR, newrank=true, bgcolor=white, fontname="Arimo", fontsize=16, nodesep=0.14, ranksep=0.5, pad=0.2]',
    `node [fontname="Arimo", fontsize=13, fontcolor="${ink}", style="rounded,filled", shape=box, height=0.32, width=0.4, margin="0.11,0.04"]`,
    `edge [color="${wire}", penwidth=1.2, arrowsize=0.6]`,
    // Clusters stack upwards, so the second comes out on top.
    ...cellLines('reduce', 'reduction cell', genotype.reduce),
    ...cellLines('normal', 'normal cell', genotype.normal),
    '{ rank=min; "normal c_{k-2}"; "normal c_{k-1}"; "reduce c_{k-2}"; "reduce c_{k-1}" }',
    '{ rank=max; "normal c_{k}"; "reduce c_{k}" }',
  ];
  return `digraph genotype {\n${lines.map((line) => `  ${line}\n`).join('')}}\n`;
}

function cellLines(type: CellType, title: string, { nodes, concat }: GenotypeCell): string[] {
  const names = ['c_{k-2}', 'c_{k-1}', ...nodes.keys()].map((state) => quote(`${type} ${state}`));
  const output = quote(`${type} c_{k}`);
  const lines = [
    `label=<<B>${title}</B>>; labeljust=l; fontcolor="${ink}"; style=rounded; color="#e5e7eb"; bgcolor="#fcfcfd"; margin=14`,
    `${names[0]} [label="c_{k-2}", fillcolor="#fef3c7", color="#d9a406"]`,
    `${names[1]} [label="c_{k-1}", fillcolor="#fef3c7", color="#d9a406"]`,
    `${output} [label="c_{k}", fillcolor="#fef3c7", color="#d9a406"]`,
  ];
  nodes.forEach((edges, node) => {
    lines.push(
      `${names[node + 2]} [label="${node}", shape=circle, style=filled, fillcolor="#e5e7eb", color="${wire}", margin=0.02]`,
    );
    edges.forEach(({ operation, input }, index) => {
      const label = quote(`${type} ${node}.${index}`);
      const { fill, line } = families.find(([pattern]) => pattern.test(operation))?.[1] ?? otherColours;
      lines.push(
        `${label} [label=${quoteLabel(operation)}, fontsize=11, height=0.26, fillcolor="${fill}", color="${line}"]`,
        `${names[input]}:e -> ${label}:w [arrowhead=none]`,
        `${label}:e -> ${names[node + 2]} [weight=4]`,
      );
    });
  });
  for (const state of concat) lines.push(`${names[state]} -> ${output}:w [color="${faintWire}"]`);
  return [`subgraph ${quote(`cluster ${type}`)} {`, ...lines.map((line) => `  ${line}`), '}'];
}

function quote(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}

/** A label is read for HTML entities too, which no operation's name means. */
function quoteLabel(text: string): string {
  return quote(text.replaceAll('&', '&amp;'));
}
