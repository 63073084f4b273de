import { describe, expect, it } from 'vitest';
import { checkBatchSize, planCases } from '../../../src/cli/bench_cases.ts';
import { createBenchProgress } from '../../../src/cli/bench_progress.ts';
import { type BenchReport, benchLines, describeBench } from '../../../src/cli/bench_report.ts';
import { checkoutCommit } from '../../../src/cli/checkout.ts';
import { version } from '../../../src/cli/version.ts';
import { ArgumentError } from '../../../src/errors.ts';
import { kernelNames, kernels } from '../../../src/kernels.ts';
import { suggestion } from '../../../src/suggest.ts';

const figures = {
  seconds: [0.001, 0.002, 0.003],
  medianSeconds: 0.002,
  interquartileSeconds: 0.001,
  flopsPerSecond: 50e9,
  bytesPerSecond: 8e9,
  shareOfPeak: 0.25,
  ratio: 1,
  ran: ['separable', 'combine'],
};
const peak = { flopsPerSecond: 200e9, bytesPerSecond: 32e9 };
const result = { kernel: 'separable', name: 'separable 3x3', pass: 'forward', flops: 1e8, bytes: 16e6 } as const;
const report: BenchReport = {
  machine: { node: 'v20', platform: 'linux x64', cpu: 'a processor', cores: 2 },
  versions: { dartsmith: '1' },
  commit: null,
  date: '2026-01-01T00:00:00.000Z',
  shape: [64, 32, 32, 16],
  runs: 3,
  backends: [{ name: 'cpu', description: 'cpu (avx2, 2 threads)', peak }],
  results: [
    { ...result, backends: { cpu: figures } },
    { ...result, pass: 'backward', flops: 0, backends: { cpu: { ...figures, flopsPerSecond: 0 } } },
  ],
  skipped: [],
};

describe('benchLines', () => {
  it('shows one backend', () => {
    expect(benchLines(report)).toEqual([
      'batch 64, images 32x32x16, 3 runs; times in ms, IQR is the interquartile range',
      'cpu: cpu (avx2, 2 threads), at best 200 GFLOP/s and 32.0 GB/s',
      '',
      'kernel         pass      median   IQR  GB/s  GFLOP/s  of peak',
      'separable 3x3  forward     2.00  1.00  8.00     50.0    25.0%',
      '               backward    2.00  1.00  8.00        -    25.0%',
    ]);
  });

  it('shows several side by side, with what each takes of the first', () => {
    const fast = { ...figures, medianSeconds: 0.0005, ratio: 0.25 };
    const lines = benchLines({
      ...report,
      backends: [...report.backends, { name: 'gpu', description: 'a GPU', peak }],
      results: [{ ...result, backends: { cpu: figures, gpu: fast } }],
    });
    expect(lines.slice(1)).toEqual([
      'cpu: cpu (avx2, 2 threads), at best 200 GFLOP/s and 32.0 GB/s',
      'gpu: a GPU, at best 200 GFLOP/s and 32.0 GB/s',
      '',
      '                           cpu                                   gpu',
      'kernel         pass     median   IQR  GB/s  GFLOP/s  of peak  median   IQR  GB/s  GFLOP/s  of peak  gpu/cpu',
      'separable 3x3  forward    2.00  1.00  8.00     50.0    25.0%   0.500  1.00  8.00     50.0    25.0%    0.250',
    ]);
  });
});

describe('describeBench', () => {
  it('says where and from what the figures come', () => {
    const described = describeBench({ shape: [1, 2, 3, 4], runs: 5, contestants: [], results: [], skipped: [] });
    expect(described).toMatchObject({
      versions: { dartsmith: version, node: process.versions.node },
      shape: [1, 2, 3, 4],
    });
    expect(described.machine.node).toBe(process.version);
    expect(described.commit).toBe(checkoutCommit() ?? null);
    expect(Date.parse(described.date)).toBeLessThanOrEqual(Date.now());
  });
});

describe('planCases', () => {
  it('takes all kernels, and each on a small image for the reference', () => {
    const { cases, skipped } = planCases([], [64, 32, 32, 16]);
    expect(skipped).toEqual([]);
    expect([...new Set(cases.map(({ kernel }) => kernel))]).toEqual(kernelNames);
    for (const { definition, checked } of cases) expect(checked.name).toBe(definition.name);
    const separable = cases.find(({ kernel }) => kernel === 'separable')!;
    expect(separable.definition.inputs).toEqual({ x: [32, 32, 16] });
    expect(separable.checked.inputs).toEqual({ x: [8, 8, 16] });
  });

  it('keeps odd sides odd, and leaves out what they do not suit', () => {
    const { cases, skipped } = planCases([], [2, 27, 5, 4]);
    expect(cases.find(({ kernel }) => kernel === 'relu')!.checked.inputs).toEqual({ x: [7, 5, 4] });
    expect(skipped).toEqual([
      { name: 'factorizedReduce', reason: expect.stringContaining('expected an even height and width but got 27x5') },
    ]);
    expect(() => planCases(['factorizedReduce'], [2, 27, 5, 4])).toThrow(ArgumentError);
  });

  it('takes a kernel once', () => {
    expect(planCases(['relu', 'relu'], [2, 8, 8, 4]).cases).toHaveLength(1);
  });

  it('checks enough pixels for statistics', () => {
    expect(checkBatchSize(kernels.relu({ shape: [8, 8, 4] }))).toBe(2);
    expect(checkBatchSize(kernels.relu({ shape: [1, 2, 4] }))).toBe(8);
    expect(checkBatchSize(kernels.linear({ inputs: 4, outputs: 2 }))).toBe(2);
    expect(checkBatchSize(kernels.embedding({ words: 4, channels: 2 }))).toBe(2);
    expect(checkBatchSize(kernels.recurrentCell({ channels: 4 }))).toBe(16);
  });
});

describe('progress', () => {
  const streamOf = (isTTY: boolean) => {
    const written: string[] = [];
    const stream = { isTTY, columns: 80, write: (text: string) => written.push(text), on() {}, off() {} };
    return { written, stream };
  };

  it('redraws a line on a terminal and removes it', () => {
    const { written, stream } = streamOf(true);
    const progress = createBenchProgress(stream, {}, 2);
    progress.begin('relu');
    progress.begin('add');
    progress.notice('stopping');
    progress.close();
    progress.close();
    expect(written).toContain('relu (1 of 2): checking');
    expect(written).toContain('add (2 of 2): checking');
    expect(written).toContain('stopping\n');
    expect(written.at(-1)).toBe('\r\x1b[J');
  });

  it('writes nothing but notices elsewhere', () => {
    const { written, stream } = streamOf(false);
    const progress = createBenchProgress(stream, {}, 2);
    progress.show('measuring');
    progress.begin('relu');
    progress.step('run 1 of 2');
    progress.notice('stopping');
    progress.close();
    expect(written).toEqual(['stopping\n']);
  });
});

describe('suggestion', () => {
  it.each([
    ['seperable', ' (Did you mean separable?)'],
    ['MIXEDEDGE', ' (Did you mean mixedEdge?)'],
    ['conv', ' (Did you mean conv2d?)'],
    ['transformer', ''],
    ['', ''],
  ])('%j', (word, text) => expect(suggestion(word, kernelNames)).toBe(text));

  it('takes a short word for another only where the case alone differs', () => {
    expect(suggestion('GPU', ['cuda', 'cpu'])).toBe('');
    expect(suggestion('CPU', ['cuda', 'cpu'])).toBe(' (Did you mean cpu?)');
  });

  it('knows nothing without words', () => expect(suggestion('relu', [])).toBe(''));
});
