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
import { type CheckPart, checkedStages, type StageName, stages } from './stages.ts';
import { reportText } from './table.ts';

/** What a check is called by, and what it concludes. */
export interface CheckForm {
  /** Its files are called by it, `gpu-check.json`. */
  readonly command: 'gpu:check' | 'gpu:lease';
  /** Lines at the end of the readable report, from what there is so far. */
  conclude?(stages: readonly StageResult[]): readonly string[];
}

/** Runs its parts; whether all proofs held. Writes both files after each. */
export async function runCheck(
  options: CheckOptions,
  parts: readonly CheckPart[] = options.stages.map((stage) => ({ stage })),
  form: CheckForm = { command: 'gpu:check' },
): Promise<boolean> {
  const progress = createProgress(process.stderr);
  const results: StageResult[] = [];
  const begun = new Date().toISOString();
  let device = '';
  const report = (current?: StageResult): CheckReport => {
    const stagesSoFar = current === undefined ? results : [...results, current];
    return {
      format: 1,
      command: form.command,
      backend: options.backend,
      device,
      quick: options.quick,
      machine: { ...machine(), commit: checkoutCommit() ?? process.env.DARTSMITH_COMMIT ?? 'unknown' },
      gpu,
      versions: { dartsmith: version, node: process.versions.node },
      begun,
      seconds: progress.seconds(),
      finished: current === undefined && results.length === parts.length,
      passed: stagesSoFar.every(({ kind, status }) => kind !== 'proof' || status === 'passed' || status === 'skipped'),
      stages: stagesSoFar,
      notAskedFor: checkedStages.filter((name) => !parts.some(({ stage }) => stage === name)),
      conclusions: form.conclude?.(stagesSoFar) ?? [],
    };
  };
  const write = (current?: StageResult) => writeReport(options.out, report(current), reportText);
  mkdirSync(options.out, { recursive: true });
  const gpu = await describeGpu();
  for (const part of parts) {
    const name = part.label ?? part.stage;
    const left = options.seconds - progress.seconds();
    const limit = Math.min(left, part.seconds ?? stages[part.stage].seconds);
    const named = (result: StageResult) => ({ ...result, stage: name });
    const result =
      left <= 0
        ? leftOut(part.stage)
        : await runStage(part, options, limit, {
            onProgress: (text) => progress.show(`${name}: ${text}`),
            onDevice: (description) => {
              device = description;
            },
            onKept: (partial) => write(named(partial)),
          });
    results.push(named(result));
    progress.show(`${name}: ${result.status}${result.error === undefined ? '' : ` (${result.error})`}`);
    write();
  }
  const last = report();
  console.log(reportText(last));
  return last.passed;
}

function leftOut(name: StageName): StageResult {
  const { title, kind } = stages[name];
  return { stage: name, title, kind, status: 'skipped', seconds: 0, skipped: 'there was no time left' };
}
