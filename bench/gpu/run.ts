import { mkdirSync } from 'node:fs';
import { checkoutCommit } from '../../src/cli/checkout.ts';
import { version } from '../../src/cli/version.ts';
import { machine } from '../support/machine.ts';
import { describeGpu } from './gpu.ts';
import type { CheckOptions } from './options.ts';
import type { StageResult } from './outcome.ts';
import { createProgress } from './progress.ts';
import { type CheckReport, writeReport } from './report.ts';
import { runStage } from './stage_process.ts';
import { type StageName, stageNames, stages } from './stages.ts';
import { reportText } from './table.ts';

/** Runs every stage that was asked for; whether all proofs held. Writes both files after each. */
export async function runCheck(options: CheckOptions): Promise<boolean> {
  const progress = createProgress(process.stderr);
  const results: StageResult[] = [];
  const begun = new Date().toISOString();
  let device = '';
  const report = (current?: StageResult): CheckReport => {
    const stagesSoFar = current === undefined ? results : [...results, current];
    return {
      format: 1,
      backend: options.backend,
      device,
      quick: options.quick,
      machine: { ...machine(), commit: checkoutCommit() ?? process.env.DARTSMITH_COMMIT ?? 'unknown' },
      gpu,
      versions: { dartsmith: version, node: process.versions.node },
      begun,
      seconds: progress.seconds(),
      finished: current === undefined && results.length === options.stages.length,
      passed: stagesSoFar.every(({ kind, status }) => kind !== 'proof' || status === 'passed' || status === 'skipped'),
      stages: stagesSoFar,
      notAskedFor: stageNames.filter((name) => !options.stages.includes(name)),
    };
  };
  mkdirSync(options.out, { recursive: true });
  const gpu = await describeGpu();
  for (const name of options.stages) {
    const left = options.seconds - progress.seconds();
    const result =
      left <= 0
        ? leftOut(name)
        : await runStage(name, options, Math.min(left, stages[name].seconds), {
            onProgress: (text) => progress.show(`${name}: ${text}`),
            onDevice: (description) => {
              device = description;
            },
            onKept: (partial) => writeReport(options.out, report(partial), reportText),
          });
    results.push(result);
    progress.show(`${name}: ${result.status}${result.error === undefined ? '' : ` (${result.error})`}`);
    writeReport(options.out, report(), reportText);
  }
  const last = report();
  console.log(reportText(last));
  return last.passed;
}

function leftOut(name: StageName): StageResult {
  const { title, kind } = stages[name];
  return { stage: name, title, kind, status: 'skipped', seconds: 0, skipped: 'there was no time left' };
}
