import type { Peak } from '../backend/device.ts';
import type { KernelName } from '../kernels/catalogue.ts';
import type { Contestant, Pass, PassFigures } from '../kernels/measure.ts';
import type { PassWork } from '../kernels/work.ts';
import type { BenchShape, SkippedKernel } from './bench_cases.ts';
import { checkoutCommit } from './checkout.ts';
import { formatFigure, formatShare, formatTable } from './format.ts';
import { describeHost, type HostReport } from './machine.ts';
import { version } from './version.ts';

/** One pass of one form of a kernel on every backend. */
export interface BenchResult extends PassWork {
  /** Its name in the catalogue. */
  readonly kernel: KernelName;
  /** The form, such as `separable 5x5 dilation 2`. */
  readonly name: string;
  readonly pass: Pass;
  /** By backend. */
  readonly backends: Readonly<Record<string, PassFigures>>;
}

/** A backend that took part. */
export interface BenchBackend {
  readonly name: string;
  readonly description: string;
  readonly peak: Peak;
}

/** What `dartsmith bench --json` prints. */
export interface BenchReport {
  readonly machine: HostReport;
  readonly versions: Readonly<Record<string, string | undefined>>;
  /** Of this package's git checkout; null where it is installed. */
  readonly commit: string | null;
  /** ISO 8601. */
  readonly date: string;
  readonly shape: BenchShape;
  readonly runs: number;
  /** In the order of their turns; ratios are to the first. */
  readonly backends: readonly BenchBackend[];
  readonly results: readonly BenchResult[];
  readonly skipped: readonly SkippedKernel[];
}

/** Results with all that says where and from what they come. */
export function describeBench(
  measured: Pick<BenchReport, 'shape' | 'runs' | 'results' | 'skipped'> & {
    readonly contestants: readonly Contestant[];
  },
): BenchReport {
  const { shape, runs, contestants, results, skipped } = measured;
  const { node, v8 } = process.versions;
  return {
    machine: describeHost(),
    versions: { dartsmith: version, node, v8 },
    commit: checkoutCommit() ?? null,
    date: new Date().toISOString(),
    shape,
    runs,
    backends: contestants.map(({ name, device, peak }) => ({ name, description: device.description, peak })),
    results,
    skipped,
  };
}

/** Columns of one backend. */
const figureHeads = ['median', 'IQR', 'GB/s', 'GFLOP/s', 'of peak'] as const;

/** The report for people: what was measured where, and a table with one row a pass and one group of columns a backend. */
export function benchLines({ shape: [batch, ...image], runs, backends, results }: BenchReport): string[] {
  const names = backends.map(({ name }) => name);
  const [first, ...others] = names;
  const heads = ['kernel', 'pass', ...names.flatMap(() => figureHeads), ...others.map((name) => `${name}/${first}`)];
  // A backend's name stands over its first column.
  const groups = ['', '', ...names.flatMap((name) => [name, ...figureHeads.slice(1).map(() => '')])];
  const rows = results.map((result) => [
    result.pass === 'forward' ? result.name : '',
    result.pass,
    ...names.flatMap((name) => figureCells(result, result.backends[name])),
    ...others.map((name) => formatFigure(result.backends[name].ratio)),
  ]);
  const right = heads.map((_, column) => column).slice(2);
  return [
    `batch ${batch}, images ${image.join('x')}, ${runs} runs; times in ms, IQR is the interquartile range`,
    ...backends.map(
      ({ name, description, peak }) =>
        `${name}: ${description}, at best ${formatFigure(peak.flopsPerSecond / 1e9)} GFLOP/s and ` +
        `${formatFigure(peak.bytesPerSecond / 1e9)} GB/s`,
    ),
    '',
    ...formatTable([...(others.length > 0 ? [groups] : []), heads, ...rows], right),
  ];
}

function figureCells(work: PassWork, figures: PassFigures): string[] {
  return [
    formatFigure(figures.medianSeconds * 1e3),
    formatFigure(figures.interquartileSeconds * 1e3),
    formatFigure(figures.bytesPerSecond / 1e9),
    work.flops === 0 ? '-' : formatFigure(figures.flopsPerSecond / 1e9),
    formatShare(figures.shareOfPeak),
  ];
}
