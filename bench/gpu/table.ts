// The readable half of the report.
import { formatTable } from '../../src/cli/format.ts';
import type { Check, StageResult, TableRow } from './outcome.ts';
import type { CheckReport } from './report.ts';

/** Checks that hold are only shown where they come so near to what is allowed. */
const shownShare = 0.5;
const shownChecks = 8;

/** The whole report as text. */
export function reportText(report: CheckReport): string {
  const { machine, gpu, device, stages, seconds } = report;
  const state = report.finished ? '' : ' (not finished)';
  return [
    `${report.command} of ${device || report.backend}: ${report.passed ? 'every proof held' : 'FAILED'}${state}`,
    `${machine.cpu}, ${machine.cores} cores, node ${machine.node}, commit ${machine.commit}, ${report.begun}, ` +
      `${seconds.toFixed(0)} s`,
    ...(gpu === null
      ? []
      : [
          Object.entries(gpu)
            .map(([name, value]) => `${name} ${value}`)
            .join(', '),
        ]),
    '',
    ...table(stages.map(summaryRow)),
    ...stages.flatMap(stageLines),
    ...(report.conclusions.length === 0 ? [] : ['', '== Predicted and found', ...report.conclusions]),
  ].join('\n');
}

function summaryRow({ stage, kind, status, seconds, checks = [], skipped, error }: StageResult): TableRow {
  const held = checks.filter(({ passed }) => passed).length;
  return {
    stage,
    kind,
    status,
    checks: checks.length === 0 ? '-' : `${held} of ${checks.length}`,
    s: seconds.toFixed(1),
    '': oneLine(skipped ?? error ?? ''),
  };
}

function stageLines({ title, checks = [], rows = [], leftOut = {}, error }: StageResult): string[] {
  const lines = [
    ...(error === undefined ? [] : [`error: ${error}`]),
    ...checkLines(checks),
    ...Object.entries(leftOut).map(([name, reason]) => `left out: ${name}: ${oneLine(reason)}`),
    ...(rows.length === 0 ? [] : [legend, ...table(rows)]),
  ];
  return lines.length === 0 ? [] : ['', `== ${title}`, ...lines];
}

const legend =
  "Measured: medians; IQR is the interquartile range. 'of peak': least time under the roof that was measured here (float32 " +
  "multiply-adds, reading memory) by the time taken; 'of sheet': the same under the computed roof of the data sheet.";

/** All that failed, or how near the others came. */
function checkLines(checks: readonly Check[]): string[] {
  const failed = checks.filter(({ passed }) => !passed);
  if (failed.length > 0) {
    const more = failed.length > 50 ? [`and ${failed.length - 50} more`] : [];
    return [...failed.slice(0, 50).map((check) => `FAILED ${checkLine(check)}`), ...more];
  }
  const near = checks
    .filter((check) => shareOf(check) >= shownShare)
    .sort((a, b) => shareOf(b) - shareOf(a))
    .slice(0, shownChecks);
  return near.map((check) => `held, ${(100 * shareOf(check)).toFixed(0)}% of what is allowed: ${checkLine(check)}`);
}

function checkLine({ name, error, allowed, note }: Check): string {
  const deviation =
    error === undefined || allowed === undefined
      ? ''
      : `: off by ${error.toExponential(1)}, allowed ${allowed.toExponential(1)}`;
  return `${name}${deviation}${note === undefined ? '' : ` (${note})`}`;
}

function shareOf({ error = 0, allowed = 0 }: Check): number {
  return error === 0 ? 0 : error / allowed;
}

function table(rows: readonly TableRow[]): string[] {
  const heads = Object.keys(rows[0] ?? {});
  const cells = rows.map((row) => heads.map((head) => String(row[head])));
  const numbers = heads.flatMap((_, column) => (cells.every((row) => /^[-\d.]+%?$/.test(row[column])) ? [column] : []));
  return formatTable([heads, ...cells], numbers);
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').slice(0, 200);
}
