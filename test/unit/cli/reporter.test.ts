import { describe, expect, it } from 'vitest';
import { createReporter } from '../../../src/cli/reporter.ts';
import { startLines } from '../../../src/cli/start.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import type { EpochEvent, SearchEvent, SearchResult, StartEvent, StepEvent } from '../../../src/run/events.ts';

const genotype = genotypes['DARTS_V2'];
const start: StartEvent = {
  type: 'start',
  run: 'search',
  method: 'darts',
  dataset: 'mnist',
  notices: ['a file is missing'],
  trainImages: 2000,
  validationImages: 2000,
  imageShape: [28, 28, 1],
  classes: 10,
  space: 'darts',
  layers: 5,
  parameters: 103400,
  device: 'cpu (avx2, 2 threads)',
  seed: 0,
  epochs: 1,
  steps: 20,
  directory: 'runs/a',
};
const step: StepEvent = {
  type: 'step',
  epoch: 0,
  epochs: 1,
  step: 0,
  steps: 20,
  loss: 2.5,
  accuracy: 0.125,
  validationLoss: 2.25,
  imagesPerSecond: 100,
  secondsLeft: 61,
};
const epoch: EpochEvent = {
  type: 'epoch',
  epoch: 0,
  epochs: 1,
  learningRate: 0.025,
  trainLoss: 2,
  trainAccuracy: 0.25,
  validationLoss: 1.5,
  validationAccuracy: 0.5,
  seconds: 12,
};
const events: readonly SearchEvent[] = [
  start,
  ...Array.from({ length: 20 }, (_, i) => ({ ...step, step: i })),
  epoch,
  { type: 'genotype', epoch: 0, genotype },
  { type: 'checkpoint', epoch: 1, step: 0, file: 'runs/a/checkpoint.safetensors' },
];
const result: SearchResult = {
  genotype,
  validationAccuracy: 0.5,
  validationLoss: 1.5,
  mixing: { alphas_normal: [[0.5, 0.5]] },
  directory: "runs/it's",
};

const startText = [
  'mnist: 2000 training and 2000 validation images 28x28x1 of 10 classes',
  'a file is missing',
  'supernet: 5 cells, 103.4 k parameters, on cpu (avx2, 2 threads)',
  'finishing the step',
  '',
].join('\n');

function report(options: { json?: boolean; isTTY?: boolean; environment?: NodeJS.ProcessEnv }) {
  const text = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr') => ({
    columns: 100,
    isTTY: options.isTTY,
    write(piece: string) {
      text[name] += piece;
    },
    on() {},
    off() {},
  });
  const streams = { stdout: stream('stdout'), stderr: stream('stderr') };
  const reporter = createReporter(options.json ?? false, streams, options.environment ?? {});
  for (const event of events) reporter.event(event);
  reporter.notice('finishing the step');
  reporter.result(result);
  reporter.close();
  return { ...text, lines: text.stdout.trimEnd().split('\n') };
}

describe('json', () => {
  it('is one event a line and the result last, even on a terminal', () => {
    const { lines, stderr } = report({ json: true, isTTY: true });
    const objects = lines.map((line) => JSON.parse(line));
    expect(objects.slice(0, -1)).toEqual(events);
    expect(objects.at(-1)).toEqual({ type: 'result', ...result });
    expect(stderr).toBe(startText);
  });
});

describe('plain', () => {
  it('lists ten steps, the epoch, its cells, then once the genotype and what to do next', () => {
    const { lines, stdout, stderr } = report({});
    expect(stdout).not.toContain('\x1b');
    expect(stderr).toBe(startText);
    expect(lines.filter((line) => line.includes('step'))).toHaveLength(10);
    expect(lines.filter((line) => line.startsWith('epoch 1/1  train 25.0%'))).toHaveLength(1);
    expect(lines.filter((line) => line.startsWith('  normal 2 = sep_conv_3x3(0) + '))).toHaveLength(1);
    expect(lines.filter((line) => line.startsWith('Genotype('))).toHaveLength(1);
    expect(lines.at(-2)).toBe("next: dartsmith draw 'runs/it'\\''s' --out cells.png");
  });

  it('serves a dumb terminal', () =>
    expect(report({ isTTY: true, environment: { TERM: 'dumb' } }).stdout).not.toContain('\x1b'));
});

describe('live', () => {
  it('redraws one line and leaves the epoch and the cells standing', () => {
    const { stdout, stderr } = report({ isTTY: true });
    expect(stderr).toBe(startText);
    expect(stdout).toContain('\x1b[1mepoch 1/1\x1b[0m');
    expect(stdout).toContain('normal 2 = sep_conv_3x3(0) + sep_conv_3x3(1)');
    expect(stdout).not.toContain('step');
    // The line stands before the first step, and tells of the validation however quick the steps were.
    expect(stdout).toContain(' 0/20');
    expect(stdout).toContain('validating');
    expect(stdout).toContain('\r\x1b[J');
    expect(stdout.trimEnd().endsWith("dartsmith train --arch 'runs/it'\\''s'")).toBe(true);
  });

  it('has no colour with NO_COLOR', () => {
    const { stdout } = report({ isTTY: true, environment: { NO_COLOR: '1' } });
    expect(stdout).toContain('\r\x1b[J');
    expect(stdout).not.toMatch(/\[\d+m/);
  });
});

describe('the end of a search', () => {
  const lastLines = (ended: SearchResult) => {
    let text = '';
    const write = (more: string) => {
      text += more;
    };
    const stream = { write, on() {}, off() {} };
    createReporter(false, { stdout: stream, stderr: { write() {} } }, {}).result({ ...ended, directory: 'runs/a' });
    return text.split('\n').filter((line) => !line.includes('Genotype'));
  };

  it('with an empty cell offers a genotype that has none', () => {
    const isolated = { nodes: [[], [], [], []], concat: [] };
    const empty = { entries: 'triples', normal: isolated, reduce: genotype.reduce } as const;
    expect(lastLines({ ...result, genotype: empty })).toEqual([
      'run:  runs/a',
      'next: dartsmith select runs/a --by darts --out genotype.txt',
      '',
    ]);
  });

  it('with several architectures says which one the run has', () => {
    const architectures = { arch_0: genotype, arch_1: genotype };
    expect(lastLines({ ...result, architectures })[0]).toBe('run:  runs/a (its genotype is arch_1)');
    const [line] = startLines({ ...start, trainImages: 0, validationImages: 0 });
    expect(line).toBe('mnist: images 28x28x1 of 10 classes');
  });
});

describe('the line of a resumed run', () => {
  it.each([
    [{ epoch: 1, step: 4 }, "resuming 'my runs/a' at epoch 2/3, step 5/20"],
    [{ epoch: 1, step: 20 }, "resuming 'my runs/a' at epoch 2/3, validation"],
    [{ epoch: 3, step: 0 }, "'my runs/a' was done already"],
  ])('at %j', (resumed, text) => {
    const [line] = startLines({ ...start, epochs: 3, directory: 'my runs/a', resumed });
    expect(line).toBe(text);
  });

  it('tells what a training works on, and what it came to', () => {
    const lines = startLines({ ...start, run: 'train', space: undefined });
    expect(lines[0]).toBe('mnist: 2000 training and 2000 test images 28x28x1 of 10 classes');
    expect(lines.at(-1)).toMatch(/^network: 5 cells, 103.4 k parameters, on cpu/);
    let text = '';
    const write = (more: string) => {
      text += more;
    };
    const stream = { write, on() {}, off() {} };
    const reporter = createReporter(false, { stdout: stream, stderr: stream }, {});
    reporter.event({ ...start, run: 'train', method: 'train' });
    text = '';
    reporter.event({ ...epoch, validationTop5: 0.875 });
    reporter.event(epoch);
    reporter.result({
      genotype,
      testAccuracy: 0.5,
      testTop5: 0.875,
      unreadableImages: 0,
      testLoss: 1.25,
      directory: 'runs/t',
    });
    expect(text.split('\n')).toEqual([
      'epoch 1/1  train 25.0% (loss 2.000)  test 50.0% (top-5 87.5%, loss 1.500)  0:12',
      'epoch 1/1  train 25.0% (loss 2.000)  test 50.0% (loss 1.500)  0:12',
      'test accuracy 50.0%, top-5 87.5%, loss 1.2500',
      'run:  runs/t',
      'next: dartsmith test --arch runs/t',
      '      dartsmith export --arch runs/t --out network.onnx',
      '',
    ]);
  });

  it.each([
    ['plain', false, false],
    ['live', false, true],
    ['json', true, false],
  ])('names an image file that cannot be read, %s', (_, json, isTTY) => {
    let text = '';
    const stream = (kept: boolean) => ({
      ...{ columns: 100, isTTY, on() {}, off() {} },
      write(more: string) {
        if (kept) text += more;
      },
    });
    const reporter = createReporter(json, { stdout: stream(false), stderr: stream(true) }, {});
    reporter.event({ type: 'unreadable', file: 'train/a/1.jpg', reason: 'premature end', count: 1 });
    expect(text).toBe(
      'cannot read train/a/1.jpg (premature end): another image stands in for it, and no test counts it\n',
    );
    reporter.close();
  });

  it('tells that a run goes on with another device', () => {
    const lines = startLines({ ...start, resumed: { epoch: 0, step: 1 }, previousDevice: 'tfjs (wasm)' });
    expect(lines.at(-1)).toMatch(/on cpu \(avx2, 2 threads\) \(until now on tfjs \(wasm\)\)$/);
  });
});
