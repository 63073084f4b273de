import { describe, expect, it } from 'vitest';
import { createCorrelateReporter } from '../../../src/cli/correlate_reporter.ts';
import { train } from '../../../src/methods/train/train.ts';
import type { CorrelationProgress } from '../../../src/run/correlate.ts';

const place = { candidate: 'skip_connect', index: 1, candidates: 7, waiting: 3 };
const step = (epoch: number, number: number): CorrelationProgress => ({
  ...place,
  event: {
    ...{ type: 'step', epoch, epochs: 2, step: number, steps: 5, loss: 1.25, accuracy: 0.5 },
    ...{ imagesPerSecond: 100, secondsLeft: 1 },
  } as CorrelationProgress['event'],
});
const start = (notices: readonly string[]) => ({ ...place, event: { type: 'start', notices } }) as CorrelationProgress;
const epoch = {
  ...place,
  event: {
    ...{ type: 'epoch', epoch: 0, epochs: 2, learningRate: 0.1, trainAccuracy: 0.5, trainLoss: 1 },
    ...{ validationAccuracy: 0.25, validationLoss: 2, seconds: 3 },
  } as CorrelationProgress['event'],
};

function reported(isTTY: boolean, json: boolean, events: readonly CorrelationProgress[]) {
  const [stdout, stderr]: string[][] = [[], []];
  const streamOf = (lines: string[]) => ({
    isTTY,
    columns: 120,
    write: (text: string) => lines.push(text),
    ...{ on: () => {}, off: () => {} },
  });
  let millis = 0;
  const now = () => millis;
  const streams = { stdout: streamOf(stdout), stderr: streamOf(stderr) };
  const reporter = createCorrelateReporter(json, streams, { TERM: 'xterm', NO_COLOR: '1' }, train.measures, now);
  for (const event of events) {
    millis += 1000;
    reporter.progress(event);
  }
  reporter.close();
  return { stdout: stdout.join(''), stderr: stderr.join('') };
}

describe('the reporter of candidates', () => {
  it('shows on a terminal which one is trained, how far it is, its loss and the time left for all', () => {
    const { stdout } = reported(true, false, [start([]), step(0, 4)]);
    expect(stdout).toContain('candidate 2/7 skip_connect  epoch 1/2');
    // A step took two seconds with what came before: 5 of this training and 10 of each of three more are left.
    expect(stdout).toMatch(/5\/5 {2}loss 1\.250 .* 1:10 left/);
  });

  it('tells of an epoch and, once, of notices on stderr, a terminal or not', () => {
    for (const [isTTY, json] of [
      [true, false],
      [false, false],
      [true, true],
    ]) {
      const { stdout, stderr } = reported(isTTY, json, [start(['few images']), start(['few images']), epoch]);
      expect(stderr).toBe(
        'few images\ncandidate 2/7 skip_connect  epoch 1/2  train 50.0% (loss 1.000)  test 25.0% (loss 2.000)  0:03\n',
      );
      if (json || !isTTY) expect(stdout).toBe('');
    }
  });

  it('tells of image files that cannot be read', () => {
    const event = { type: 'unreadable', file: 'a.png', reason: 'torn', count: 1 } as const;
    expect(reported(false, false, [{ ...place, event }]).stderr).toContain('cannot read a.png (torn)');
  });
});
