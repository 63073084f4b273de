// The pictures of a report: those of a run, and those that compare runs.
import { messageOf } from '../errors.ts';
import { skipName } from '../operation/operations.ts';
import type { MixingHistory } from '../select/history.ts';
import { looksAtThreshold, usualSelection } from '../select/rules.ts';
import { drawGenotype } from './draw.ts';
import { drawAnimation } from './draw_animation.ts';
import { curvePlots, curvesPicture } from './draw_curves.ts';
import { drawHistory, type HistoryKind } from './draw_history.ts';
import { drawScores } from './draw_scores.ts';
import { lastGenotype, type RunView, type Series, type StageView } from './run_view.ts';

/** A picture of a report. */
export interface Figure {
  /** Of its files, without an ending. */
  readonly name: string;
  readonly title: string;
  readonly svg: string;
  /** Whether it is shown when it is asked for. */
  readonly isFolded: boolean;
  /** Whether it moves, and is no PNG. */
  readonly moves: boolean;
}

/** Pictures, and what is wrong with those that could not be drawn. */
export interface Figures {
  readonly figures: readonly Figure[];
  readonly problems: readonly string[];
}

/** A picture that is to be drawn; undefined where there is nothing for it. */
interface Draft {
  readonly name: string;
  readonly title: string;
  readonly isFolded?: boolean;
  readonly moves?: boolean;
  draw(): string | undefined | Promise<string | Uint8Array>;
}

/** Marks in the grid of a history: of a long search fewer epochs. */
const mostMarks = 15_000;
/** Stages that are shown with their mixing weights. */
const mostHistories = 6;

/** What a figure's files may be called: the wanted name, or one like it. */
export type Naming = (wanted: string) => string;

/** All pictures of a run under file names that begin with `prefix`. */
export function runFigures(view: RunView, prefix: string, nameOf: Naming): Promise<Figures> {
  const genotype = lastGenotype(view);
  const withHistory = view.stages.filter(({ history }) => history !== undefined).slice(-mostHistories);
  const moments = view.stages.reduce((sum, { genotypes }) => sum + genotypes.length, 0);
  return drawAll(prefix, nameOf, [
    { name: 'curves', title: 'Curves by epoch', draw: () => curves('epoch', [view], 'Curves by epoch') },
    { name: 'steps', title: 'Curves by step', isFolded: true, draw: () => curves('step', [view], 'Curves by step') },
    {
      name: 'cells',
      title: 'The cells',
      draw: () => (genotype === undefined ? undefined : drawGenotype(genotype, 'svg')),
    },
    {
      ...{ name: 'animation', title: 'The cells as they formed', isFolded: true, moves: true },
      draw: () => (moments > 1 ? drawAnimation(view) : undefined),
    },
    ...withHistory.flatMap((stage) => historyDrafts(view, stage)),
    {
      name: 'scores',
      title: 'What was scored',
      draw: () => (view.scores ? drawScores(view.name, view.scores) : undefined),
    },
  ]);
}

/** Pictures of runs beside one another, which are all of `what`: search on mnist. */
export function comparedFigures(what: string, views: readonly RunView[], nameOf: Naming): Promise<Figures> {
  const title = `Runs of ${what}`;
  return drawAll(fileName(`compared-${what}`), nameOf, [
    { name: 'curves', title: `${title}, by epoch`, draw: () => curves('epoch', views, title) },
    { name: 'skips', title: `${title}: skip connections`, draw: () => comparedSkips(views) },
  ]);
}

/** A text as a part of a file's name, in any folder of any system. */
export function fileName(text: string): string {
  const plain = text.replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^-+|-+$/g, '');
  return plain.slice(-80) || 'run';
}

function curves(of: Series['of'], views: readonly RunView[], title: string): string | undefined {
  const plots = curvePlots(views, { of, mean: true });
  return plots.length === 0 ? undefined : curvesPicture(title, views, plots);
}

function historyDrafts({ name: run, stages }: RunView, { name, history }: StageView): Draft[] {
  if (history === undefined) return [];
  const isNamed = stages.length > 1;
  // A figure of a rule that looks at no threshold shows none.
  const threshold = looksAtThreshold(usualSelection(history).by) ? undefined : 0;
  const [told, prefix] = isNamed ? [`${run}, ${name}`, `${fileName(name)}-`] : [run, ''];
  const draft = (kind: HistoryKind, title: string, drawn: MixingHistory, isFolded = true): Draft => ({
    name: `${prefix}${kind}`,
    title: isNamed ? `${title}, ${name}` : title,
    isFolded,
    draw: async () => String(await drawHistory([{ name: told, history: drawn }], { kind, threshold })),
  });
  return [
    draft('area', 'Operations that lead edges', history, false),
    draft('heatmap', 'Mixing weights at the end', history, false),
    draft('histogram', 'How mixing weights spread', history),
    ...(hasSkips(history) ? [draft('skips', 'Share of skip connections', history)] : []),
    draft('grid', 'Every mixing weight by epoch', thinned(history)),
  ];
}

function hasSkips({ layout }: MixingHistory): boolean {
  return Object.values(layout.tables).some(({ rows }) => rows.some(({ candidates }) => candidates.includes(skipName)));
}

/** As many entries, evenly apart, as a picture of all weights has room for; the last is among them. */
function thinned(history: MixingHistory): MixingHistory {
  const { layout, entries } = history;
  const weights = Object.values(layout.tables).flatMap(({ rows }) =>
    rows.flatMap(({ candidates }) => candidates),
  ).length;
  const every = Math.ceil((entries.length * weights) / mostMarks);
  return { ...history, entries: entries.filter((_, i) => (entries.length - 1 - i) % every === 0) };
}

/** Of the last stages that have mixing weights those whose cells are the same as the first one's. */
function comparedSkips(views: readonly RunView[]): Promise<string | Uint8Array> | undefined {
  const histories = views.flatMap(({ name, stages }) => {
    const history = stages.findLast((stage) => stage.history !== undefined)?.history;
    return history === undefined || !hasSkips(history) ? [] : [{ name, history }];
  });
  const cellsOf = ({ history }: (typeof histories)[number]) => Object.keys(history.layout.tables).join();
  const alike = histories.filter((one) => cellsOf(one) === cellsOf(histories[0]));
  return alike.length < 2 ? undefined : drawHistory(alike, { kind: 'skips' });
}

/** A picture that cannot be drawn is told of, and hides no other. */
async function drawAll(prefix: string, nameOf: Naming, drafts: readonly Draft[]): Promise<Figures> {
  const figures: Figure[] = [];
  const problems: string[] = [];
  for (const { name, title, isFolded = false, moves = false, draw } of drafts) {
    try {
      const svg = await draw();
      if (svg === undefined) continue;
      figures.push({ name: nameOf(`${prefix}-${name}`), title, svg: String(svg), isFolded, moves });
    } catch (error) {
      problems.push(`${title} cannot be drawn: ${messageOf(error)}`);
    }
  }
  return { figures, problems };
}
