// A report as one HTML page: no script, nothing that is loaded from elsewhere, every text of a run escaped.
import { messageOf } from '../errors.ts';
import { formatGenotype } from '../genotype/text.ts';
import { type Content, element, folded, type Html, inline, page, table } from './html.ts';
import { comparedFigures, type Figure, type Figures, fileName, type Naming, runFigures } from './report_figures.ts';
import {
  decisionRows,
  differingRows,
  logRows,
  type Row,
  type Rows,
  replicateRows,
  resultRows,
  settingRows,
  summaryHead,
  summaryRow,
} from './report_tables.ts';
import { lastGenotype, type RunView } from './run_view.ts';

/** A page and the pictures that are in it. */
export interface Report {
  readonly html: string;
  readonly figures: readonly Figure[];
  /** Of what could not be read or shown, a line each; in the page too. */
  readonly problems: readonly string[];
}

const style = `
:root{--ink:#1f2937;--faint:#6b7280;--ground:#ffffff;--line:#e5e7eb;--card:#f9fafb;--warn:#9a3412}
@media(prefers-color-scheme:dark){:root{--ink:#e5e7eb;--faint:#9ca3af;--ground:#111827;--line:#374151;--card:#1f2937;--warn:#fdba74}}
body{font:15px/1.5 Arimo,'Liberation Sans',Arial,Helvetica,sans-serif;color:var(--ink);background:var(--ground);max-width:1120px;margin:0 auto;padding:24px 16px}
h1{font-size:26px;margin:0 0 4px}h2{font-size:20px;margin:40px 0 8px;border-top:1px solid var(--line);padding-top:24px;overflow-wrap:anywhere}h3{font-size:16px;margin:24px 0 6px}
h2,td,th,p,li{unicode-bidi:isolate}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:13px;margin:8px 0}th,td{border-bottom:1px solid var(--line);padding:4px 14px 4px 0;text-align:left;vertical-align:top}th{color:var(--faint);font-weight:normal}
td,li{white-space:pre-wrap}td{overflow-wrap:break-word;max-width:60ch;font-variant-numeric:tabular-nums}
figure{margin:12px 0}figure svg,figure img{max-width:100%;height:auto;background:#fff;border-radius:8px}figcaption,.faint{color:var(--faint);font-size:13px}
details{border:1px solid var(--line);border-radius:8px;padding:6px 12px;margin:8px 0;background:var(--card)}summary{cursor:pointer}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--card);padding:10px;border-radius:8px;font-size:13px}
.problems{color:var(--warn)}
@media print{details{border:0}body{max-width:none}}
`;

/** A part of a page, and the figures in it. */
interface Part {
  readonly contents: readonly Content[];
  readonly figures: readonly Figure[];
}

/** A run by itself, with its row in the table of all. */
interface RunPart extends Part {
  readonly view: RunView;
  readonly row: Row;
}

/** Runs of one command and dataset beside one another, then each by itself. `problems`: of what could not be read. */
export async function reportPage(views: readonly RunView[], problems: readonly string[]): Promise<Report> {
  const told = [...problems];
  const [prefixOf, nameOf] = [distinctNames(), distinctNames()];
  const runs: RunPart[] = [];
  for (const view of views) {
    const draw = () => runPart(view, prefixOf(fileName(view.name)), nameOf);
    runs.push(...(await partOr(told, view.name, draw)));
  }
  const compared: Part[] = [];
  for (const [what, alike] of comparable(runs.map(({ view }) => view))) {
    const draw = () => comparison(what, alike, nameOf);
    if (alike.length > 1) compared.push(...(await partOr(told, `the comparison of runs of ${what}`, draw)));
  }
  const parts = [...compared, ...runs];
  const contents = [
    element('h1', {}, views.length === 1 ? `Report of ${views[0].name}` : `Report of ${views.length} runs`),
    ...problemList(told),
    table([summaryHead, ...runs.map(({ row }) => row)]),
    ...parts.flatMap((part) => part.contents),
  ];
  const figures = parts.flatMap((part) => part.figures);
  return { html: page('dartsmith report', style, contents), figures, problems: told };
}

/** A part; none, and a line that says so, where it cannot be made: of one run, it hides no other. */
async function partOr<P extends Part>(problems: string[], what: string, make: () => Promise<P>): Promise<P[]> {
  try {
    return [await make()];
  } catch (error) {
    problems.push(`${what} cannot be shown: ${messageOf(error)}`);
    return [];
  }
}

/** Runs that may be compared, by what they are: losses of a search are none of a training, and those of one dataset none of another. */
function comparable(views: readonly RunView[]): Map<string, RunView[]> {
  const groups = new Map<string, RunView[]>();
  for (const view of views) {
    const what = `${view.command ?? 'an unknown command'} on ${view.dataset ?? 'unknown data'}`;
    groups.set(what, [...(groups.get(what) ?? []), view]);
  }
  return groups;
}

/** Gives names each of which is another, on file systems too that know no capitals. */
function distinctNames(): Naming {
  const taken = new Set<string>();
  return (wanted) => {
    let free = wanted;
    for (let i = 2; taken.has(free.toLowerCase()); i++) free = `${wanted}-${i}`;
    taken.add(free.toLowerCase());
    return free;
  };
}

async function comparison(what: string, views: readonly RunView[], nameOf: Naming): Promise<Part> {
  const drawn = await comparedFigures(what, views, nameOf);
  const contents = [
    element('h2', {}, `Runs of ${what}, beside one another`),
    ...problemList(drawn.problems),
    ...tableOf('Runs that differ in their seeds alone', replicateRows(views)),
    ...drawn.figures.map(figureOf),
    ...tableOf('Settings that differ', differingRows(views)),
  ];
  return { contents, figures: drawn.figures };
}

async function runPart(view: RunView, prefix: string, nameOf: Naming): Promise<RunPart> {
  const drawn = await runFigures(view, prefix, nameOf);
  return { view, row: summaryRow(view), contents: runSection(view, drawn), figures: drawn.figures };
}

function runSection(view: RunView, drawn: Figures): Content[] {
  const { name, title, paper, state, device, problems, settings, versions } = view;
  const told = [title, paper, state, ...(device === undefined ? [] : [`on ${device}`])].filter(
    (text) => text !== undefined,
  );
  const isEmpty = drawn.figures.length === 0;
  return [
    element('h2', {}, name),
    element('p', { class: 'faint' }, told.join(' · ')),
    ...problemList([...problems, ...drawn.problems]),
    ...(isEmpty ? [element('p', {}, 'There is nothing to draw yet: no step is done.')] : []),
    ...tableOf('Results', resultRows(view)),
    ...drawn.figures.map(figureOf),
    ...genotypeText(view),
    ...foldedTable('Decisions', decisionRows(view)),
    ...foldedTable('Settings', settingRows(settings)),
    ...foldedTable('Versions', settingRows(versions)),
    ...foldedTable('Log', logRows(view)),
  ];
}

function genotypeText(view: RunView): Content[] {
  const genotype = lastGenotype(view);
  if (genotype === undefined) return [];
  try {
    return [element('pre', {}, formatGenotype(genotype))];
  } catch (error) {
    // Not every genotype has a written form.
    return problemList([messageOf(error)]);
  }
}

function problemList(problems: readonly string[]): Html[] {
  if (problems.length === 0) return [];
  return [element('ul', { class: 'problems' }, ...problems.map((problem) => element('li', {}, problem)))];
}

function tableOf(title: string, rows: Rows): Html[] {
  return rows.length === 0 ? [] : [element('h3', {}, title), table(rows)];
}

/** A head alone is no table. */
function foldedTable(title: string, rows: Rows): Html[] {
  return rows.length < 2 ? [] : [folded(title, table(rows))];
}

/** What moves is an image, since its styles are those of the whole page elsewhere. */
function figureOf({ title, svg, moves, isFolded, name }: Figure): Html {
  const source = `data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}`;
  const drawn = moves ? { html: element('img', { src: source, alt: title }).html.replace('</img>', '') } : inline(svg);
  const caption = element('figcaption', {}, `${title} (${name}${moves ? '.svg' : '.svg, .png'})`);
  const figure = element('figure', {}, drawn, caption);
  return isFolded ? folded(title, figure) : figure;
}
