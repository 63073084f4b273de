// The command as a user runs it: dist/cli/bin.cjs in a process of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allowedProcessors } from '../../src/processors.ts';
import { takeLock } from '../../src/run/lock.ts';
import { hasGpu } from '../helpers/backends.ts';
import { cli } from '../helpers/process.ts';

const tiny = [
  'search --dataset mnist --limit 64 --epochs 1 --batch-size 16 --init-channels 2 --layers 3',
  '--threads 1 --checkpoint-seconds 0',
]
  .join(' ')
  .split(' ');

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dartsmith-e2e-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function start(command: string, args: readonly string[]): { child: ChildProcess; ended: Promise<Ended> } {
  const environment = { ...process.env, DARTSMITH_DEBUG: '', NO_COLOR: '' };
  const child = spawn(command, args, { cwd: folder, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data) => {
    stdout += data;
  });
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { child, ended };
}

const dartsmith = (...args: string[]) => start(process.execPath, [cli, ...args]).ended;
const bash = (script: string) => start('bash', ['-c', `set -o pipefail; ${script}`]).ended;
const parseLines = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

/** Interrupts a search that prints JSON once it has done a step. */
async function interruptAfterStep(out: string, signal: NodeJS.Signals): Promise<Ended> {
  const { child, ended } = start(process.execPath, [cli, ...tiny, '--epochs', '5', '--json', '--out', out]);
  let seen = '';
  child.stdout?.on('data', (data) => {
    const before = seen.includes('"step"');
    seen += data;
    if (!before && seen.includes('"step"')) child.kill(signal);
  });
  return ended;
}

/** Of node 2 of its normal cell nothing makes the source; node 3 has another one. */
const deadNode =
  "Genotype(normal=[('sep_conv_3x3', 2, 0), ('skip_connect', 4, 3), ('skip_connect', 5, 1), ('sep_conv_3x3', 5, 4)], normal_concat=range(2, 6), reduce=[('max_pool_3x3', 2, 0)], reduce_concat=range(2, 6))";

describe('the threads that decode images', () => {
  const count = (given = '') => {
    const tell = 'process.on("exit",()=>console.log(process.env.UV_THREADPOOL_SIZE))';
    return bash(`${given} ${process.execPath} --import 'data:text/javascript,${tell}' ${cli} --version`);
  };

  it('are one a core, four at least', async () => {
    expect((await count('env -u UV_THREADPOOL_SIZE')).stdout).toMatch(
      new RegExp(`\\n${Math.max(4, allowedProcessors())}\\n$`),
    );
  });

  it('are as many as the user says', async () => {
    expect((await count('UV_THREADPOOL_SIZE=3')).stdout).toMatch(/\n3\n$/);
  });
});

describe('an old Node', () => {
  it('is told in one line what is wanted, by a file that it can read', async () => {
    const older = `Object.defineProperty(process,"versions",{value:{...process.versions,node:"18.20.4"}})`;
    writeFileSync(join(folder, 'older.cjs'), older);
    const { code, stdout, stderr } = await start(process.execPath, ['--require', './older.cjs', cli, '--version'])
      .ended;
    expect({ code, stdout, stderr }).toEqual({
      code: 1,
      stdout: '',
      stderr: 'dartsmith: expected Node 20.19 or later, but this is Node 18.20.4\n',
    });
    // Syntax that came after Node 12.
    expect(readFileSync(cli, 'utf8')).not.toMatch(/\?\?|\?\.|&&=|\|\|=|^import |#\w+\(/m);
  });
});

describe('help and version', () => {
  it('lists the commands', async () => {
    const { code, stdout, stderr } = await dartsmith('--help');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const name of ['search', 'draw', 'info', 'doctor']) expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
  });

  it('shows every published setting with its default', async () => {
    const { stdout } = await dartsmith('search', '--help');
    for (const flag of ['--arch-learning-rate', '--init-channels', '--unrolled', '--train-portion', '--grad-clip']) {
      expect(stdout).toContain(flag);
    }
    expect(stdout).toContain('(default: 0.025)');
    expect(stdout).toMatch(/--backend <name> +auto, cuda, cpu, tfjs, simt \(default: auto/);
    expect(stdout).toMatch(/--gpu <number> +which GPU/);
  });

  it('prints the version of the package', async () => {
    const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(await dartsmith('--version')).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: '' });
  });

  it('answers no command with the help, as wrong usage', async () => {
    const { code, stdout, stderr } = await dartsmith();
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('Usage: dartsmith');
  });
});

describe('wrong usage is one line and exit code 2', () => {
  it.each([
    [['serch'], "unknown command 'serch' (Did you mean search?)"],
    [['search', '--epoch', '3'], "unknown option '--epoch' (Did you mean --epochs?)"],
    [['search', '--epochs', 'abc'], "expected an integer of at least 1 for --epochs but received 'abc'"],
    [['search', '--epochs', '1.5'], "expected an integer of at least 1 for --epochs but received '1.5'"],
    [['search', '--epochs', '-1'], "expected an integer of at least 1 for --epochs but received '-1'"],
    [['search', '--learning-rate', '1e3'], "expected a number from 0 to 100 for --learning-rate but received '1e3'"],
    [['search', '--dataset', 'imagenet'], 'expected a folder with train/CLASS/*.JPEG'],
    [['search', '--dataset', 'CIFAR10'], "for --dataset but received 'CIFAR10' (Did you mean cifar10?)"],
    [['search', '--dataset', 'cifar10'], 'for dataDir (--data-dir)'],
    [['search', '--resume', 'x', '--epochs', '3', '--seed', '1'], 'leave out --epochs, --seed'],
    [['search', '--backend', 'tpu'], "expected one of auto, cuda, cpu, tfjs, simt for --backend but received 'tpu'"],
    [['search', '--gpu', '-1'], "expected an integer of at least 0 for --gpu but received '-1'"],
    [['search', '--memory-limit', '10'], "expected a size as 1.4GB or 800MB for --memory-limit but received '10'"],
    [['search', 'now'], 'too many arguments'],
    [['features'], "missing required argument 'run'"],
    [['features', 'x', '--edges', 'some'], "expected one of ends, all for --edges but received 'some'"],
    [['correlate'], "missing required argument 'run'"],
    [['correlate', 'x', '--epochs', '0'], "expected an integer of at least 1 for --epochs but received '0'"],
    [['draw'], 'expected a genotype to draw, or --history with a search'],
    [['draw', 'DARTS_V9'], 'a published name such as DARTS_V2'],
    [['draw', 'DARTS_V2', '--out', 'x.gif'], "that ends in .svg, .png or .dot for --out but received 'x.gif'"],
    [['info', 'DARTS_V2', '--space', 'darts'], '--space belongs to the supernet'],
    [['info', 'supernet', '--image-size', '27'], 'expected 24 or 28 for --image-size but received 27'],
    [['info'], 'expected a genotype'],
    [['info', 'DARTS_V2', '--arch', 'DARTS_V1'], 'expected one genotype but got DARTS_V2 and --arch DARTS_V1'],
    [['info', 'supernet', '--drop-dead-nodes'], '--drop-dead-nodes is for genotypes'],
    [['info', deadNode], 'withoutDeadNodes (--drop-dead-nodes) leaves such nodes out'],
    [['train', '--arch', deadNode], "node 2 (state 4) of the genotype's normal cell has no live source"],
  ])('%j', async (args, message) => {
    const { code, stdout, stderr } = await dartsmith(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^dartsmith: [^\n]+\n$/);
    expect(stderr).toContain(message);
  });
});

describe('a failure is one line and exit code 1', () => {
  it('names the file that cannot be read', async () => {
    writeFileSync(join(folder, 'notes.txt'), 'hello');
    const { code, stderr } = await dartsmith('draw', 'notes.txt');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^dartsmith: notes.txt holds no genotype: [^\n]+\n$/);
  });

  it('names the missing data folder', async () => {
    const { code, stderr } = await dartsmith(...tiny, '--data-dir', 'nowhere');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^dartsmith: [^\n]*nowhere[^\n]*\n$/);
    // Not even an empty folder for a run that never began.
    expect(existsSync(join(folder, 'runs'))).toBe(false);
  });

  it('says that there is no run to resume', async () => {
    const { code, stderr } = await dartsmith('search', '--resume', 'nowhere');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^dartsmith: nowhere holds no run[^\n]*\n$/);
  });

  it('keeps a picture that cannot be written from half being there', async () => {
    const { code, stderr } = await dartsmith('draw', 'DARTS_V2', '--out', 'missing/x.svg');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^dartsmith: cannot write missing\/x\.svg[^\n]*\n$/);
  });

  it.skipIf(!existsSync('/dev/full'))('reports a stdout that takes nothing', async () => {
    const { code, stderr } = await bash(`"${process.execPath}" "${cli}" info DARTS_V2 > /dev/full`);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^dartsmith: cannot write to stdout: [^\n]+\n$/);
  });

  it.skipIf(hasGpu)('names the driver that is missing for a GPU', async () => {
    const { code, stderr } = await dartsmith(...tiny, '--backend', 'cuda', '--out', 'gpu');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^dartsmith: [^\n]*CUDA[^\n]*\n$/i);
    expect(existsSync(join(folder, 'gpu'))).toBe(false);
  });

  it('refuses tf32 on the CPU, before the run begins', async () => {
    const { code, stderr } = await dartsmith(...tiny, '--backend', 'cpu', '--precision', 'tf32', '--out', 'tf32');
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr:
        'dartsmith: [compile] expected precision fp32 or bf16 but got tf32: it needs the tensor cores of an NVIDIA GPU\n',
    });
    expect(existsSync(join(folder, 'tf32'))).toBe(false);
  });

  it('adds the stack only on demand', async () => {
    const { stderr } = await bash(`DARTSMITH_DEBUG=1 "${process.execPath}" "${cli}" draw notes.txt`);
    expect(stderr).toMatch(/\n {4}at /);
  });
});

describe('draw', () => {
  it.each([
    ['svg', '<svg'],
    ['png', '\x89PNG'],
    ['dot', 'digraph'],
  ])('writes %s', async (extension, mark) => {
    const file = join(folder, `cells.${extension}`);
    expect(await dartsmith('draw', 'DARTS_V2', '--out', file)).toEqual({
      code: 0,
      stdout: `wrote ${file}\n`,
      stderr: '',
    });
    expect(readFileSync(file, 'latin1')).toContain(mark);
  });

  it('lists the published names in its help, series drawn together', async () => {
    const { stdout } = await dartsmith('draw', '--help');
    const [, names] = /Published names:\n([\s\S]*)$/.exec(stdout) ?? [];
    expect(names).toMatch(/^ {2}DARTS_V1, DARTS_V2, DARTS, NASNet, AmoebaNet, FairDARTS_a to g,\n/);
    expect(names).toContain('DARTS_ID2_FPT_1 to 7');
    for (const line of names.split('\n')) expect(line.length).toBeLessThan(80);
  });

  it('prints DOT without --out', async () => {
    const { code, stdout } = await dartsmith('draw', 'NASNet');
    expect(code).toBe(0);
    expect(stdout).toContain('digraph');
    expect(stdout).toContain('sep_conv_7x7');
  });
});

describe('info', () => {
  it('counts the published network', async () => {
    const { code, stdout } = await dartsmith('info', 'DARTS_V2', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      network: 'derived',
      initChannels: 36,
      layers: 20,
      inputShape: [32, 32, 3],
      parameters: 3349342,
    });
  });

  it('counts FLOPs as papers do, and parameters with the auxiliary head', async () => {
    const named = await dartsmith('info', '--arch', 'FairDARTS_b', '--json');
    expect(JSON.parse(named.stdout)).toMatchObject({
      ...{ flops: 536_530_742, convolutionFlops: 536_481_792 },
      ...{ parameters: 3_407_878, parametersWithAuxiliaryHead: 3_884_304, untrainedParameters: 0 },
    });
    const { stdout } = await dartsmith('info', 'FairDARTS_b');
    expect(stdout).toMatch(/^FLOPs as published +536,530,742, of convolutions alone 536,481,792$/m);
    expect(stdout).toMatch(/^with auxiliary head +3\.884 M \(3,884,304\)$/m);
  });

  it('leaves dead nodes out where it is told to, and tells what is passed over then', async () => {
    const { code, stdout } = await dartsmith('info', deadNode, '--drop-dead-nodes', '--json');
    expect(code).toBe(0);
    const { genotype, untrainedParameters } = JSON.parse(stdout);
    expect(genotype.normal.concat).toEqual([2, 5]);
    // A 3x3 separable on 36 channels in 6 cells, on 72 in 6, on 144 in 6.
    const separable = (channels: number) => 2 * (9 * channels + channels ** 2 + 2 * channels);
    expect(untrainedParameters).toBe(6 * (separable(36) + separable(72) + separable(144)));
    const table = await dartsmith('info', deadNode, '--drop-dead-nodes');
    expect(table.stdout).toMatch(/^of edges passed over +359,856 +0$/m);
  });

  it('prints a table', async () => {
    const { code, stdout } = await dartsmith('info', 'supernet');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^supernet of space darts: 16 channels, 8 cells, 10 classes, images 32x32x3$/m);
    expect(stdout).toMatch(/^total +1,930,618 /m);
    expect(stdout).toMatch(/^activation memory +[\d.]+ MiB/m);
  });

  it('ends quietly when the reader has seen enough', async () => {
    const { code, stderr } = await bash(`"${process.execPath}" "${cli}" search --help | head -n 1`);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});

describe('doctor', () => {
  it.skipIf(hasGpu)('says what is used and why not the others', async () => {
    const { code, stdout } = await dartsmith('doctor');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ {2}cpu +used /m);
    expect(stdout).toMatch(/^ {2}cuda +not usable +\S.*\S$/m);
    expect(stdout).toMatch(/^ {2}tfjs +usable +the reference, slow: TensorFlow\.js \S+, wasm$/m);
    expect(stdout).toMatch(/^ {2}simt +usable +for tests only/m);
    expect(stdout).toMatch(/^ {2}a supernet's pass takes \d\.\d\d of the time and 0\.\d\d of the memory that/m);
  });

  it.skipIf(hasGpu)('prints JSON', async () => {
    const { stdout } = await dartsmith('doctor', '--json');
    const report = JSON.parse(stdout);
    expect(report.used).toBe('cpu');
    const backend = (name: string) => report.backends.find((one: { name: string }) => one.name === name);
    expect(backend('cuda')).toMatchObject({ usable: false, reason: expect.stringMatching(/CUDA|NVIDIA/) });
    expect(backend('simt')).toMatchObject({ usable: true, reason: expect.stringMatching(/^for tests only/) });
    expect(report.bf16).toEqual({ time: expect.any(Number), memory: expect.any(Number) });
    expect(report.bf16.memory).toBeGreaterThan(0.4);
    expect(report.bf16.memory).toBeLessThan(0.8);
    expect(report.host.node).toBe(process.version);
    expect(report.tools.map((tool: { name: string }) => tool.name)).toContain('nvcc');
  });
});

describe('search', () => {
  it('prints nothing but JSON Lines with --json', async () => {
    const { code, stdout, stderr } = await dartsmith(...tiny, '--json', '--out', 'json');
    expect(code).toBe(0);
    const events = parseLines(stdout);
    expect(events[0]).toMatchObject({ type: 'start', dataset: 'mnist', trainImages: 32, directory: 'json' });
    expect(events.filter(({ type }) => type === 'step').map(({ step }) => step)).toEqual([0, 1]);
    expect(events.filter(({ type }) => type === 'epoch')).toHaveLength(1);
    expect(events.at(-1)).toMatchObject({ type: 'result', directory: 'json' });
    expect(stderr).toMatch(
      /^mnist: 32 training and 32 validation images 28x28x1 of 10 classes\nsupernet: 3 cells, .* on cpu .*\n$/,
    );
  });

  it('prints plain lines into a pipe, and a run that draw and info take', async () => {
    const { code, stdout } = await dartsmith(...tiny, '--out', 'plain');
    expect(code).toBe(0);
    expect(stdout).not.toContain('\x1b');
    expect(stdout).toMatch(/^epoch 1\/1 {2}step 2\/2 {2}loss /m);
    expect(stdout).toMatch(/^epoch 1\/1 {2}train [\d.]+% .* validation [\d.]+%/m);
    expect(stdout).toMatch(/^Genotype\(normal=\[.*reduce_concat=range\(2, 6\)\)$/m);
    expect(stdout).toMatch(/^next: dartsmith draw plain --out cells\.png$/m);
    expect((await dartsmith('draw', 'plain', '--out', 'plain.svg')).code).toBe(0);
    const info = await dartsmith('info', 'plain', '--classes', '7');
    expect(info.code).toBe(0);
    expect(info.stdout).toMatch(/^derived network: 36 channels, 20 cells, 7 classes, images 28x28x1$/m);
    const again = await dartsmith(...tiny, '--out', 'plain');
    expect(again.code).toBe(1);
    expect(again.stderr).toContain('plain holds a run already');
  });

  it('finds the same within a limit of memory, which it tells in a line', async () => {
    const args = [...tiny, '--init-channels', '8'];
    const free = await dartsmith(...args, '--out', 'free');
    const limited = await dartsmith(...args, '--memory-limit', '44MB', '--out', 'limited');
    expect(limited.stderr.startsWith(free.stderr)).toBe(true);
    expect(limited.stderr.slice(free.stderr.length)).toMatch(
      /^(dartsmith: memory is short: what (single )?convolutions leave is computed twice instead of kept: slower, with the same results\n)+$/,
    );
    const [own, other] = ['free', 'limited'].map((run) => readFileSync(join(folder, run, 'genotype.json'), 'utf8'));
    expect(own).toBe(other);
  });

  it('names a run after dataset and time where --out is not given', async () => {
    const { stdout } = await dartsmith(...tiny);
    const directory = /^run: {2}(.*)$/m.exec(stdout)?.[1] ?? '';
    expect(directory).toMatch(/^runs\/mnist-\d{8}-\d{6}$/);
    expect(existsSync(join(folder, directory, 'config.json'))).toBe(true);
  });

  it.each([
    ['SIGTERM', 143, 'ended by SIGTERM'],
    ['SIGHUP', 129, 'ended by SIGHUP, since the terminal has gone'],
  ] as const)('writes a checkpoint on %s and says so, with exit code %i', async (signal, code, words) => {
    const ended = await interruptAfterStep(signal, signal);
    expect(ended.code).toBe(code);
    expect(ended.stderr).not.toContain('Ctrl-C');
    expect(ended.stderr).toContain(`dartsmith: ${words}; go on with: dartsmith search --resume ${signal}\n`);
    expect(existsSync(join(folder, signal, 'checkpoint.safetensors'))).toBe(true);
  });

  it('writes a checkpoint when the reader of its output goes away, and does not say that it is done', async () => {
    const args = [...tiny, '--epochs', '100', '--json', '--out', 'piped'].join(' ');
    const { stdout, stderr } = await bash(
      `"${process.execPath}" "${cli}" ${args} | head -n 3; echo "\${PIPESTATUS[0]}"`,
    );
    expect(parseLines(stdout).at(-1)).toBe(141);
    expect(stderr).toMatch(/dartsmith: whoever read stdout has gone; go on with: dartsmith search --resume piped\n$/);
    expect(existsSync(join(folder, 'piped', 'checkpoint.safetensors'))).toBe(true);
    expect(existsSync(join(folder, 'piped', 'lock.json'))).toBe(false);
  });

  it('finishes the step on SIGINT, and --resume goes on after it, of one process at a time', async () => {
    const interrupted = await interruptAfterStep('SIGINT', 'SIGINT');
    expect(interrupted.code).toBe(130);
    expect(interrupted.stderr).toContain('finishing the step; press Ctrl-C again to quit at once');
    expect(interrupted.stderr).toContain('dartsmith: interrupted; go on with: dartsmith search --resume SIGINT\n');
    const last = parseLines(interrupted.stdout).findLast(({ type }) => type === 'step');

    const lock = await takeLock(join(folder, 'SIGINT'));
    const refused = await dartsmith('search', '--resume', 'SIGINT');
    await lock.release();
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(
      new RegExp(`^dartsmith: SIGINT is in use by process ${process.pid} on ${hostname()} since [^\n]+\n$`),
    );

    const resumed = await dartsmith('search', '--resume', 'SIGINT', '--json', '--threads', '2');
    expect(resumed.code).toBe(0);
    const events = parseLines(resumed.stdout);
    const first = events.find(({ type }) => type === 'step');
    expect(first.epoch * first.steps + first.step).toBe(last.epoch * last.steps + last.step + 1);
    expect(events.at(-1).type).toBe('result');
  });

  it('quits at once on the second Ctrl-C', async () => {
    const slow = ['--init-channels', '16', '--layers', '8', '--batch-size', '32', '--epochs', '100', '--json'];
    const { child, ended } = start(process.execPath, [cli, ...tiny, ...slow, '--out', 'twice']);
    child.stderr?.once('data', () => {
      child.kill('SIGINT');
      setTimeout(() => child.kill('SIGINT'), 300);
    });
    const { code, stderr } = await ended;
    expect(code).toBe(130);
    expect(stderr).toContain('finishing the step');
  });
});
