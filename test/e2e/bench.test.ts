// `dartsmith bench` as a user runs it, on shapes so small that it takes seconds.
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { cli, type Ended, runProcess } from '../helpers/process.ts';

const bench = (...args: string[]): Promise<Ended> =>
  runProcess(process.execPath, [cli, 'bench', ...args], { cwd: tmpdir() });
const tiny = ['--shape', '2x6x6x4', '--runs', '2', '--threads', '1'];

describe('dartsmith bench', () => {
  it('prints a table of the named kernels', async () => {
    const { code, stdout, stderr } = await bench('separable', 'relu', '--backend', 'cpu', ...tiny);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toBe('batch 2, images 6x6x4, 2 runs; times in ms, IQR is the interquartile range');
    expect(lines[1]).toMatch(/^cpu: cpu \(.+, 1 thread\), at best [\d.]+ GFLOP\/s and [\d.]+ GB\/s$/);
    expect(lines[3]).toMatch(/^kernel +pass +median +IQR +GB\/s +GFLOP\/s +of peak$/);
    const row = (start: string) => new RegExp(`^${start} +[\\d.]+ +[\\d.]+ +[\\d.]+ +[\\d.]+ +[\\d.]+%$`);
    expect(lines).toHaveLength(4 + 2 * 5);
    expect(lines[4]).toMatch(row('separable 3x3 +forward'));
    expect(lines[5]).toMatch(row(' +backward'));
    expect(lines.at(-2)).toMatch(row('relu +forward'));
  });

  it('prints one JSON object of all kernels', async () => {
    const { code, stdout, stderr } = await bench('--json', '--backend', 'cpu,cpu', '--backend', 'cpu', ...tiny);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^[^\n]+\n$/);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ shape: [2, 6, 6, 4], runs: 2, skipped: [] });
    expect(report.machine.node).toBe(process.version);
    expect(report.versions.node).toBe(process.versions.node);
    // Null where the tests run without git.
    expect(report.commit ?? '0'.repeat(40)).toMatch(/^[0-9a-f]{40}(-dirty)?$/);
    expect(report.backends.map(({ name }: { name: string }) => name)).toEqual(['cpu']);
    const edge = report.results.find(
      ({ name, pass }: Record<string, string>) => name === 'mixedEdge' && pass === 'backward',
    );
    expect(edge.kernel).toBe('mixedEdge');
    expect(edge.flops).toBeGreaterThan(0);
    expect(edge.backends.cpu.ran).toEqual(expect.arrayContaining(['separable', 'combine', 'pooledMoments']));
    for (const { backends } of report.results) {
      expect(backends.cpu.seconds).toHaveLength(2);
      expect(backends.cpu.shareOfPeak).toBeGreaterThan(0);
      expect(backends.cpu.ratio).toBe(1);
    }
  });

  it('lists the kernels in its help', async () => {
    const { code, stdout } = await bench('--help');
    expect(code).toBe(0);
    for (const text of ['mixedEdge', 'slowness.', '8x8 images', 'dartsmith bench relu --backend ']) {
      expect(stdout).toContain(text);
    }
    expect(stdout).not.toMatch(/\(default: [^)]*\)\s+\(default/);
  });

  it.each([
    [['seperable'], "for KERNEL but received 'seperable' (Did you mean separable?)"],
    [['quicksort'], 'expected one of separable, pointwise, '],
    [
      ['relu', '--shape', '64x32x32'],
      'NxHxWxC (batch, height, width, channels; at least 1 each, 2^30 in all) for --shape',
    ],
    [['relu', '--shape', '0x32x32x16'], "for --shape but received '0x32x32x16'"],
    [['relu', '--shape', '65536x65536x65536x65536'], 'for --shape'],
    [['relu', '--runs', '0'], "expected an integer of at least 1 for --runs but received '0'"],
    [['relu', '--backend', 'cpu,abacus'], "for --backend but received 'abacus'"],
    [['factorizedReduce', '--shape', '2x7x7x4'], 'expected an even height and width but got 7x7'],
    [['relu', '--thread', '2'], "unknown option '--thread' (Did you mean --threads?)"],
  ])('%j is wrong usage, in one line', async (args, message) => {
    const { code, stdout, stderr } = await bench(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^dartsmith: [^\n]+\n$/);
    expect(stderr).toContain(message);
  });

  it.each([
    ['SIGINT', 130, 'finishing the step; press Ctrl-C again to quit at once', 'interrupted'],
    ['SIGTERM', 143, 'SIGTERM: finishing the step; a second one ends it at once', 'ended by SIGTERM'],
  ] as const)('ends cleanly on %s', async (signal, expected, notice, end) => {
    // The notice about a kernel that an odd shape does not suit tells that the devices are open.
    const args = [cli, 'bench', '--shape', '2x7x7x4', '--runs', '1000000', '--backend', 'cpu'];
    const child = spawn(process.execPath, args, { cwd: tmpdir(), stdio: ['ignore', 'pipe', 'pipe'] });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (text) => {
      stdout += text;
    });
    child.stderr.on('data', (text) => {
      if (stderr === '') setTimeout(() => child.kill(signal), 500);
      stderr += text;
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect({ code, stdout }).toEqual({ code: expected, stdout: '' });
    expect(stderr).toMatch(new RegExp(`^factorizedReduce is left out: [^\n]+\n${notice}\ndartsmith: ${end}\n$`));
  });
});
