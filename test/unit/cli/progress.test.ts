import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createPaint, isLiveTerminal, takesColour } from '../../../src/cli/paint.ts';
import {
  epochLine,
  genotypeLines,
  genotypeText,
  isListedStep,
  progressLine,
  stepLine,
  waitingLine,
} from '../../../src/cli/progress.ts';
import type { Genotype } from '../../../src/genotype/genotype.ts';
import { darts } from '../../../src/methods/darts/darts.ts';
import type { StepEvent } from '../../../src/run/events.ts';

const plain = createPaint(false);
const { measures } = darts;
const step: StepEvent = {
  type: 'step',
  epoch: 11,
  epochs: 50,
  step: 119,
  steps: 391,
  loss: 1.23456,
  accuracy: 0.5625,
  validationLoss: 1.5,
  imagesPerSecond: 812.4,
  secondsLeft: 5025,
};
const genotype: Genotype = {
  normal: {
    nodes: [
      [
        { operation: 'sep_conv_3x3', input: 1 },
        { operation: 'skip_connect', input: 0 },
      ],
      [
        { operation: 'dil_conv_5x5', input: 0 },
        { operation: 'sep_conv_3x3', input: 2 },
      ],
    ],
    concat: [2, 3],
  },
  reduce: {
    nodes: [
      [
        { operation: 'max_pool_3x3', input: 0 },
        { operation: 'max_pool_3x3', input: 1 },
      ],
      [
        { operation: 'skip_connect', input: 2 },
        { operation: 'max_pool_3x3', input: 0 },
      ],
    ],
    concat: [2, 3],
  },
};

describe('progressLine', () => {
  it('shows everything in the 79 columns of a usual terminal', () => {
    expect(progressLine(step, measures, 79, plain)).toBe(
      'epoch 12/50 ██░░░░░░░░ 120/391  loss 1.235  acc 56.3%   812 img/s  1:23:45 left',
    );
  });

  it.each(Array.from({ length: 140 }, (_, room) => room))('never exceeds %i columns', (room) => {
    const line = progressLine(step, measures, room, plain);
    expect(line.length).toBeLessThanOrEqual(room);
    expect(stripVTControlCharacters(progressLine(step, measures, room, createPaint(true)))).toBe(line);
  });

  it('gives up the least important first', () => {
    const at = (room: number) => progressLine(step, measures, room, plain);
    expect(at(60)).not.toContain('img/s');
    expect(at(60)).toContain('left');
    expect(at(40)).toContain('loss 1.235');
    expect(at(40)).not.toContain('left');
    expect(at(19)).toBe('epoch 12/50 120/391');
    expect(at(8)).toBe('epoch 12');
  });

  it('fills the bar over the whole search', () => {
    const filled = (event: StepEvent) => progressLine(event, measures, 120, plain).match(/█/g)?.length ?? 0;
    expect(filled({ ...step, epoch: 0, step: 0 })).toBe(0);
    expect(filled({ ...step, epoch: 24, step: 390 })).toBe(15);
    expect(filled({ ...step, epoch: 49, step: 390 })).toBe(30);
  });

  it('says that the validation of an epoch goes on', () => {
    const line = progressLine({ ...step, step: 390 }, measures, 100, plain);
    expect(line).toContain('391/391  loss 1.235  acc 56.3%  validating  1:23:45 left');
    expect(stepLine({ ...step, step: 390 }, measures)).toContain('812 img/s');
  });

  it('stands before the first step', () => {
    const waiting = (room: number) => waitingLine({ epoch: 25, epochs: 50, done: 7, steps: 391 }, room, plain);
    expect(waiting(40)).toBe('epoch 26/50 ██████████░░░░░░░░░░   7/391');
    expect(waiting(12).length).toBeLessThanOrEqual(12);
  });

  it('bears values that are not known yet', () => {
    const line = progressLine(
      { ...step, loss: Number.NaN, secondsLeft: Number.POSITIVE_INFINITY },
      measures,
      100,
      plain,
    );
    expect(line).toContain('loss NaN');
    expect(line).toContain('-:-- left');
  });
});

describe('plain lines', () => {
  it('counts from 1', () => {
    expect(stepLine(step, measures)).toBe('epoch 12/50  step 120/391  loss 1.235  acc 56.3%   812 img/s  1:23:45 left');
  });

  it.each([1, 2, 9, 10, 11, 31, 391, 1000])('lists about ten of %i steps, the last among them', (steps) => {
    const listed = Array.from({ length: steps }, (_, i) => i).filter((i) => isListedStep({ ...step, step: i, steps }));
    expect(listed.length).toBeGreaterThanOrEqual(Math.min(steps, 5));
    expect(listed.length).toBeLessThanOrEqual(11);
    expect(listed.at(-1)).toBe(steps - 1);
  });

  it('sums an epoch up', () => {
    const event = { type: 'epoch', epoch: 0, epochs: 3, learningRate: 0.025, seconds: 12 } as const;
    const outcome = { trainLoss: 1.5, trainAccuracy: 0.451, validationLoss: 1.25, validationAccuracy: 0.5234 };
    expect(epochLine({ ...event, ...outcome }, measures, plain)).toBe(
      'epoch 1/3  train 45.1% (loss 1.500)  validation 52.3% (loss 1.250)  0:12',
    );
  });
});

describe('genotype', () => {
  it('puts the cells side by side where they fit', () => {
    expect(genotypeLines(genotype, 100)).toEqual([
      '  normal 2 = sep_conv_3x3(1) + skip_connect(0)     reduce 2 = max_pool_3x3(0) + max_pool_3x3(1)',
      '         3 = dil_conv_5x5(0) + sep_conv_3x3(2)            3 = skip_connect(2) + max_pool_3x3(0)',
    ]);
  });

  it('stacks them where they do not', () => {
    const lines = genotypeLines(genotype, 70);
    expect(lines).toHaveLength(4);
    expect(lines[2]).toBe('  reduce 2 = max_pool_3x3(0) + max_pool_3x3(1)');
  });

  it('says which nodes of triples are isolated, and weights', () => {
    const edges = [
      { operation: 'skip_connect', input: 0, weight: 0.1234567 },
      { operation: 'max_pool_3x3', input: 0 },
    ];
    const triples: Genotype = {
      entries: 'triples',
      normal: { nodes: [[], edges], concat: [3] },
      reduce: { nodes: [[], []], concat: [] },
    };
    expect(genotypeLines(triples, 100)).toEqual([
      '  normal 2 isolated                                         reduce 2 isolated',
      '         3 = 0.1235 × skip_connect(0) + max_pool_3x3(0)            3 isolated',
    ]);
  });

  it('falls back to JSON where Python has no form', () => {
    expect(genotypeText(genotype)).toMatch(/^Genotype\(normal=/);
    const single = { ...genotype, normal: { nodes: [[{ operation: 'skip_connect', input: 0 }]], concat: [2] } };
    expect(JSON.parse(genotypeText(single))).toHaveProperty('normal');
  });
});

describe('colour', () => {
  it('needs a terminal and no NO_COLOR', () => {
    expect(takesColour({ isTTY: true }, {})).toBe(true);
    expect(takesColour({ isTTY: true }, { NO_COLOR: '1' })).toBe(false);
    expect(takesColour({ isTTY: true }, { NO_COLOR: '' })).toBe(true);
    expect(takesColour({}, {})).toBe(false);
    expect(takesColour({ isTTY: true }, { TERM: 'dumb' })).toBe(false);
    expect(isLiveTerminal({ isTTY: true }, { NO_COLOR: '1' })).toBe(true);
  });
});
