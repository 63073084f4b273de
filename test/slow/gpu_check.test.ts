// The whole GPU check on the stand-in for a GPU, as it runs on a real one, pack and all: it must not fail there for a silly
// reason.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { leaseParts, predictions } from '../../bench/gpu/lease_plan.ts';
import type { Check, StageResult } from '../../bench/gpu/outcome.ts';
import type { CheckReport } from '../../bench/gpu/report.ts';
import { checkedStages } from '../../bench/gpu/stages.ts';
import { root, runProcess } from '../helpers/process.ts';
import { scratch } from '../helpers/scratch.ts';

const check = join(root, 'bench', 'gpu', 'check.ts');
/** PyTorch takes long to start; its forms have a test of their own, torch_rivals.test.ts. */
const environment = { DARTSMITH_PYTHON: '/nonexistent/python' };

/** Runs the check from the checkout; `preload` is loaded into every process of it. */
async function gpuCheck(args: readonly string[], extra: NodeJS.ProcessEnv = {}, preload: readonly string[] = []) {
  const out = scratch();
  const imports = ['tsx', ...preload].flatMap((module) => ['--import', module]);
  const ended = await runProcess(process.execPath, [...imports, check, '--out', out, ...args], {
    cwd: root,
    environment: { ...environment, ...extra },
  });
  return { ...ended, out, ...readReport(out) };
}

function readReport(folder: string): { report: CheckReport; text: string } {
  const json = join(folder, 'gpu-check.json');
  if (!existsSync(json)) return { report: {} as CheckReport, text: '' };
  return { report: JSON.parse(readFileSync(json, 'utf8')), text: readFileSync(join(folder, 'gpu-check.txt'), 'utf8') };
}

const stageOf = ({ stages }: CheckReport, name: string): StageResult => stages.find(({ stage }) => stage === name)!;
const failures = ({ checks = [] }: StageResult): Check[] => checks.filter(({ passed }) => !passed);

/** A folder with a compute-sanitizer that runs its program and has nothing to say. */
function fakeSanitizer(): string {
  const folder = scratch();
  const script = '#!/bin/sh\n[ "$1" = --version ] && exit 0\nshift 4\n"$@" && echo "ERROR SUMMARY: 0 errors"\n';
  writeFileSync(join(folder, 'compute-sanitizer'), script);
  chmodSync(join(folder, 'compute-sanitizer'), 0o755);
  return folder;
}

describe('gpu:check on simt', () => {
  it('runs every stage, writes one JSON file and one table, and ends with 0', async () => {
    const { code, report, text, stdout, stderr } = await gpuCheck(['--backend', 'simt']);
    expect({ code, failed: report.stages.flatMap(failures) }).toEqual({ code: 0, failed: [] });
    expect(report).toMatchObject({ format: 1, backend: 'simt', finished: true, passed: true, notAskedFor: [] });
    expect(report.device).toMatch(/^simt \(0: /);
    expect(report.stages.map(({ stage }) => stage)).toEqual(checkedStages);
    const expected = checkedStages.map((name) => (name === 'sanitizer' ? 'skipped' : 'passed'));
    expect(report.stages.map(({ status }) => status)).toEqual(expected);
    expect(stageOf(report, 'sanitizer').skipped).toBe('compute-sanitizer is not on the PATH');
    for (const { kind, checks = [], rows = [], stage } of report.stages) {
      if (stage !== 'sanitizer') expect(kind === 'proof' ? checks.length : rows.length, stage).toBeGreaterThan(0);
    }
    expect(JSON.stringify(stageOf(report, 'repeatability').checks)).toMatch(/graph of [1-9]\d* kernels/);
    const timed = stageOf(report, 'kernel-times').data as { measured: { kernels: unknown[] } };
    expect(timed.measured.kernels.length).toBeGreaterThan(20);
    const { rows = [], leftOut = {} } = stageOf(report, 'step-times');
    expect(rows).toHaveLength(2 * 3);
    expect(leftOut.PyTorch).toContain('/nonexistent/python');
    expect(leftOut['TensorFlow.js']).toMatch(/tfjs-node-gpu/);
    expect(text).toMatch(/^gpu:check of simt .*: every proof held\n/);
    expect(text).toMatch(/\nmixedEdge +2x4x4x4 +bf16 +in graph /);
    expect(text).toMatch(/\nsecond order +dartsmith, tf32 +\d/);
    expect(stdout.trimEnd()).toContain('== Search steps, measured in turns');
    expect(stderr).toMatch(/\[ +\d+\.\d s\] repeatability: second order, bf16\n/);
  });

  it('reports a wrong gradient and goes on with the other stages', async () => {
    const preload = [join(root, 'test', 'helpers', 'faulty_addon.mjs')];
    const { code, report, text } = await gpuCheck(['--backend', 'simt', '--stages', 'kernels,gather'], {}, preload);
    expect(code).toBe(1);
    expect(report).toMatchObject({ passed: false, finished: true });
    expect(report.stages.map(({ status }) => status)).toEqual(['failed', 'passed']);
    const [first] = failures(stageOf(report, 'kernels'));
    expect(first.name).toMatch(/^separable 3x3, 2x4x4x4, fp32: the gradient of input x$/);
    expect(first.error).toBeGreaterThan(0.09);
    expect(text).toMatch(/^gpu:check of simt .*: FAILED\n/);
    expect(text).toContain(`FAILED ${first.name}: off by 1.0e-1, allowed`);
  });

  it('reports a loss that does not repeat', async () => {
    const preload = [join(root, 'test', 'helpers', 'faulty_addon.mjs')];
    const args = ['--backend', 'simt', '--stages', 'repeatability'];
    const { code, report } = await gpuCheck(args, { FAULT: 'drift' }, preload);
    expect(code).toBe(1);
    expect(failures(stageOf(report, 'repeatability'))[0].note).toMatch(/^loss of run 2 beside run 1: /);
  });

  it('outlives a stage whose process dies', async () => {
    const preload = [join(root, 'test', 'helpers', 'faulty_addon.mjs')];
    const args = ['--backend', 'simt', '--stages', 'cases,step-times,gather'];
    const { code, report, text } = await gpuCheck(args, { FAULT: 'crash' }, preload);
    expect(code).toBe(1);
    expect(report.stages.map(({ status }) => status)).toEqual(['error', 'error', 'error']);
    for (const { error } of report.stages) expect(error).toMatch(/its process ended with SIGSEGV/);
    expect(text).toContain('SIGSEGV');
  });

  it('runs small programs under compute-sanitizer where there is one', async () => {
    const path = `${fakeSanitizer()}:${process.env.PATH}`;
    const { code, report } = await gpuCheck(['--backend', 'simt', '--stages', 'sanitizer'], { PATH: path });
    expect(stageOf(report, 'sanitizer').checks).toEqual([
      { name: 'memcheck finds nothing', passed: true, note: 'ERROR SUMMARY: 0 errors' },
      { name: 'racecheck finds nothing', passed: true, note: 'ERROR SUMMARY: 0 errors' },
    ]);
    expect(code).toBe(0);
  });

  it('says what is missing where there is no GPU', async () => {
    const { code, report } = await gpuCheck(['--stages', 'gather,kernel-times']);
    // On a machine with a GPU it is the check itself.
    if (report.stages.every(({ status }) => status === 'passed')) return;
    expect(code).toBe(1);
    expect(report.stages[0].error).toMatch(/driver|CUDA|GPU/);
  });

  it.each([
    [['--backend', 'abacus'], "for --backend but received 'abacus'"],
    [['--stages', 'kernels,tea'], "for --stages but received 'tea'"],
    [['--minutes', '0'], "expected a number above 0 for --minutes but received '0'"],
    [['--speed'], '--speed'],
  ])('%j is wrong usage', async (args, message) => {
    const { code, stderr } = await gpuCheck(args);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});

describe('gpu:lease on simt', () => {
  it('runs every part, both designs of kernels beside each other, and says what was predicted', async () => {
    const out = scratch();
    const lease = join(root, 'bench', 'gpu', 'lease.ts');
    const { code, stderr } = await runProcess(
      process.execPath,
      ['--import', 'tsx', lease, '--backend', 'simt', '--minutes', '30', '--out', out],
      { cwd: root, environment },
    );
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    const report: CheckReport = JSON.parse(readFileSync(join(out, 'gpu-lease.json'), 'utf8'));
    expect(report).toMatchObject({ finished: true, passed: true });
    expect(report.stages.map(({ stage }) => stage)).toEqual(leaseParts(1).map(({ stage, label }) => label ?? stage));
    for (const { stage, status, skipped, error } of report.stages) {
      const expected = ['facts', 'nsight'].includes(stage) ? 'skipped' : 'passed';
      expect({ stage, status, why: skipped ?? error }).toMatchObject({ stage, status: expected });
    }
    const rivals = (name: string) => stageOf(report, name).leftOut ?? {};
    expect(rivals('step-times')).toHaveProperty('PyTorch');
    expect(rivals('step-times, tiles')).toEqual({ rivals: 'not asked for' });
    const { predicted } = predictions.find(({ what, precision }) => what === 'step' && precision === 'fp32')!;
    const [ours, tiles, serial, early] = ['sliding warps', 'tiles', 'without branches', 'early starts'].map(
      (name) => `${name} [\\d.]+ ms`,
    );
    expect(report.conclusions).toContainEqual(
      expect.stringMatching(
        new RegExp(`^step, fp32: predicted ${predicted} ms on an H100; ${ours}, ${tiles}, ${serial}, ${early}$`),
      ),
    );
    expect(readFileSync(join(out, 'gpu-lease.txt'), 'utf8')).toContain('== Predicted and found');
  });

  it.each([
    [['--minutes', '0'], /--minutes/],
    [['--backend', 'gpu'], /--backend/],
  ])('refuses %j', async (args, message) => {
    const lease = join(root, 'bench', 'gpu', 'lease.ts');
    const { code, stderr } = await runProcess(process.execPath, ['--import', 'tsx', lease, ...args], {
      cwd: root,
      environment,
    });
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});

describe('the pack', () => {
  it('runs the check beside a bare copy of the tree', async () => {
    const addon = join(root, 'build-cmake', 'Release', 'dartsmith.node');
    const [tree, out] = [scratch(), scratch()];
    const pack = join(tree, 'gpu-pack');
    const packed = await runProcess(process.execPath, ['scripts/gpu_pack.mjs', '--out', pack, '--without-node'], {
      cwd: root,
    });
    expect({ code: packed.code, stderr: packed.stderr }).toEqual({ code: 0, stderr: '' });
    expect(existsSync(join(pack, 'include', 'node_api.h'))).toBe(true);
    expect(existsSync(join(pack, 'include', 'napi.h'))).toBe(true);
    expect(existsSync(join(pack, 'js', 'bench', 'peers', 'execution.py'))).toBe(true);
    const bin = join(tree, 'bin');
    mkdirSync(bin);
    symlinkSync(process.execPath, join(bin, 'node'));
    const { code, stderr } = await runProcess(
      'bash',
      [join(pack, 'run.sh'), '--backend', 'simt', '--stages', 'cases,gather,supernet'],
      {
        cwd: '/',
        environment: { ...environment, PATH: `${bin}:/usr/bin:/bin`, OUT: out, DARTSMITH_ADDON: addon },
      },
    );
    const { report } = readReport(out);
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    expect(report.stages.map(({ status }) => status)).toEqual(['passed', 'passed', 'passed']);
    const git = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8' });
    if (git.status === 0) expect(report.machine.commit).toContain(git.stdout.trim());
  });
});
