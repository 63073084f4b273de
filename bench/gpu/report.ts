import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BackendName } from '../../src/backend/device.ts';
import type { Machine } from '../support/machine.ts';
import type { GpuReport } from './gpu.ts';
import type { StageResult } from './outcome.ts';

/** gpu-check.json and gpu-lease.json. */
export interface CheckReport {
  /** Of this file. */
  readonly format: 1;
  readonly command: 'gpu:check' | 'gpu:lease';
  readonly backend: BackendName;
  /** As the backend describes it; empty where none could be opened. */
  readonly device: string;
  readonly quick: boolean;
  readonly machine: Machine;
  readonly gpu: GpuReport;
  readonly versions: Readonly<Record<string, string>>;
  /** ISO 8601. */
  readonly begun: string;
  readonly seconds: number;
  /** False in a file of a check that is going on, or was killed. */
  readonly finished: boolean;
  /** Whether every proof so far held. */
  readonly passed: boolean;
  readonly stages: readonly StageResult[];
  /** Stages that were not asked for. */
  readonly notAskedFor: readonly string[];
  /** What is predicted beside what was found, a line each; of a lease. */
  readonly conclusions: readonly string[];
}

/** Writes gpu-check.json and gpu-check.txt, or what the command is called, each whole or not at all. */
export function writeReport(folder: string, report: CheckReport, text: (report: CheckReport) => string): void {
  const name = report.command.replace(':', '-');
  replace(join(folder, `${name}.json`), `${JSON.stringify(report, named, 2)}\n`);
  replace(join(folder, `${name}.txt`), `${text(report)}\n`);
}

/** JSON has no infinities and no NaN; null would be no deviation at all. */
function named(_: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

function replace(path: string, content: string): void {
  writeFileSync(`${path}.part`, content);
  renameSync(`${path}.part`, path);
}
