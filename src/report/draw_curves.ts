// Pictures of how measures moved in runs: any series of any runs.
import { aBoolean, aName, check, checkOptional, checkOptions, listOf, oneOf } from '../checks.ts';
import { ArgumentError, invalid } from '../errors.ts';
import { type CurveLine, type CurvePlot, curveLegend, curvePanel } from './curve_panel.ts';
import { type Panel, type PanelRow, panelsPicture } from './panels.ts';
import { rasterise } from './rasterise.ts';
import { groupReplicates, linesOf, type RunGroup } from './replicates.ts';
import type { RunView, Series, SeriesUnit } from './run_view.ts';
import type { Box } from './svg.ts';
import { aRunView } from './view_rule.ts';

/** Options of {@link drawCurves}. */
export interface DrawCurvesOptions {
  readonly format?: 'svg' | 'png';
  readonly of?: Series['of'];
  /** Names of series such as `validationLoss`; when absent all but how fast the runs were. */
  readonly names?: readonly string[];
  /** Whether runs that differ in their seeds alone are drawn as their mean with its 95% confidence band; true when absent. */
  readonly mean?: boolean;
  readonly title?: string;
}

/** How fast a run was says nothing of what it found. */
const ofSpeed: readonly SeriesUnit[] = ['seconds', 'samples a second'];

/**
 * The series of runs over epochs, or over steps. Of one run what has the same unit shares a plot; of several every measure has one, a line a run. Runs
 * that differ in their seeds alone are one line, their mean, with its 95% confidence band by Student's t and the single lines, faint. PNG has 2
 * pixels a point. Throws ArgumentError, also where there is nothing to draw, and BackendError where the PNG renderer has no build for this platform.
 */
export async function drawCurves(
  views: readonly RunView[],
  options: DrawCurvesOptions = {},
): Promise<string | Uint8Array> {
  check('views', views, listOf(aRunView, 'a list of views as readRunView gives them'));
  if (views.length === 0) throw invalid('views', 'at least one', views);
  checkOptions('options', options, ['format', 'of', 'names', 'mean', 'title']);
  const { format = 'svg', of = 'epoch', names, mean = true, title = 'Curves' } = options;
  check('format', format, oneOf(['svg', 'png']));
  check('of', of, oneOf(['step', 'epoch']));
  check('mean', mean, aBoolean);
  check('title', title, aName);
  checkOptional('names', names, listOf(aName, 'a list of names of series'));
  const plots = curvePlots(views, { of, names, mean });
  if (plots.length === 0)
    throw new ArgumentError(
      `expected series to draw but the runs have none over ${of}s${names ? ` of ${names.join(', ')}` : ''}`,
    );
  const svg = curvesPicture(title, views, plots);
  return format === 'svg' ? svg : rasterise(svg);
}

/** What is drawn of runs. */
interface Wanted extends Pick<DrawCurvesOptions, 'names'> {
  readonly of: Series['of'];
  readonly mean: boolean;
}

/** The plots of runs; none where they have no series of the kind. */
export function curvePlots(views: readonly RunView[], { of, names, mean }: Wanted): CurvePlot[] {
  const groups = mean ? groupReplicates(views) : views.map((run) => ({ name: run.name, runs: [run] }));
  const isWanted = (series: Series) =>
    series.of === of && series.x.length > 0 && (names?.includes(series.name) ?? !ofSpeed.includes(series.unit));
  const heads = new Map<string, Series>();
  for (const series of views.flatMap((view) => view.series)) {
    if (isWanted(series) && !heads.has(series.name)) heads.set(series.name, series);
  }
  const measures = [...heads.values()].sort((a, b) => Number(a.unit === 'rate') - Number(b.unit === 'rate'));
  const [only, ...others] = groups;
  if (others.length === 0) return togetherPlots(only, measures);
  const all = measures.map((head) => plotOf(head, groups));
  // What runs do not share cannot be compared, unless it is asked for or they share nothing.
  const shared = all.filter(({ lines }) => lines.filter(({ x }) => x.length > 0).length > 1);
  return names === undefined && shared.length > 0 ? shared : all;
}

/** Measures of one kind share a plot: those of a unit whose titles end in the same word, such as all that is a loss. */
function togetherPlots(group: RunGroup, heads: readonly Series[]): CurvePlot[] {
  const kinds = new Map<string, Series[]>();
  for (const head of heads) {
    const key = `${head.unit} ${lastWord(head)}`;
    kinds.set(key, [...(kinds.get(key) ?? []), head]);
  }
  return [...kinds.values()].map((together) => {
    const lines = together.flatMap((head) =>
      linesOf(group, head).map((line) => ({ ...line, name: togetherName(group, head, line) })),
    );
    const [head] = together;
    return { of: head.of, unit: head.unit, lines, title: together.length === 1 ? head.title : lastWord(head) };
  });
}

/** What stands for one of several runs says which. */
function togetherName({ runs }: RunGroup, { title }: Series, { name, band }: CurveLine): string {
  return runs.length === 1 || band !== undefined ? title : `${title} (${name})`;
}

function lastWord({ title }: Series): string {
  return title.split(' ').at(-1)!;
}

function plotOf(head: Series, groups: readonly RunGroup[]): CurvePlot {
  const { title, of, unit } = head;
  const lines = groups.flatMap((group) => {
    const found = linesOf(group, head);
    return found.length > 0 ? found : [{ name: group.name, x: [], y: [] }];
  });
  return { title, of, unit, lines };
}

/** Plots in rows, with a legend beside each where they differ, and beside the first alone where they are the same runs. */
export function curvesPicture(title: string, views: readonly RunView[], plots: readonly CurvePlot[]): string {
  const hasBand = plots.some(({ lines }) => lines.some(({ band }) => band !== undefined));
  const what = hasBand ? "mean of seeds; shaded: its 95% confidence interval (Student's t); thin: single runs" : '';
  const [first] = plots;
  const areRuns = plots.every(
    ({ lines }) => lines.length > 1 && lines.every(({ name }, i) => name === first.lines[i].name),
  );
  const subtitle = [views.length === 1 ? views[0].name : `${views.length} runs`, ...(what ? [what] : [])].join('; ');
  const rows: PanelRow[] = areRuns
    ? rowsOf(plots, 2).map((row, i) => ({ panels: [...row.map(curvePanel), ...(i === 0 ? [curveLegend(first)] : [])] }))
    : rowsOf(withLegends(plots), 2).map((panels) => ({ panels }));
  return panelsPicture(title, subtitle, rows);
}

/** Plots with room for the widest legend beside each. */
function withLegends(plots: readonly CurvePlot[]): Panel[] {
  const legends = plots.map((one) => (one.lines.length > 1 ? curveLegend(one) : undefined));
  const room = Math.max(0, ...legends.map((legend) => legend?.width ?? 0));
  return plots.map((one, i) => {
    const [panel, legend] = [curvePanel(one), legends[i]];
    const draw = (place: Box) => [
      ...panel.draw({ ...place, width: panel.width }),
      ...(legend?.draw({ ...place, x: place.x + panel.width }) ?? []),
    ];
    return { width: panel.width + room, height: panel.height, draw };
  });
}

function rowsOf<T>(list: readonly T[], length: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / length) }, (_, i) => list.slice(i * length, (i + 1) * length));
}
