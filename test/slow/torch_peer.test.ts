import { afterAll, describe, expect, it } from 'vitest';
import { openTorchPeer } from '../../bench/peers/torch.ts';
import { works } from '../../bench/support/work.ts';
import { buildSupernet } from '../../src/network/supernet.ts';
import { costOf } from '../../src/report/cost.ts';

let reason = '';
const peer = await openTorchPeer((text) => {
  reason = ` (skipped: ${text})`;
});

describe.skipIf(peer === undefined)(`the PyTorch peer${reason}`, () => {
  afterAll(() => peer?.close());

  it('is the network that we build: names, parameters and multiply-accumulates', async () => {
    const sizes = { channels: 16, layers: 8, classes: 10 };
    const theirs = await peer!.describe({ ...sizes, inputs: 3, size: 32 });
    const { graph } = buildSupernet({ inputShape: [32, 32, 3], classes: 10, initChannels: 16, layers: 8 });
    const names = graph.parameters.filter(({ role }) => role === 'weight').map(({ name }) => name);
    expect([...theirs.names].sort()).toEqual(names.sort());
    expect(theirs.parameters).toBe(1_930_618);
    expect(theirs.macs).toBe(300_255_744);
    const { parameters, multiplyAccumulates } = costOf(graph);
    expect({ parameters, macs: multiplyAccumulates }).toEqual({ parameters: theirs.parameters, macs: theirs.macs });
  });

  it.each(works)('computes the same steps in both forms: %s', async (work) => {
    const options = { work, batch: 4, channels: 2, layers: 3, threads: 1 };
    for (let step = 0; step < 2; step++) {
      const published = await peer!.time({ form: 'published', ...options });
      const tuned = await peer!.time({ form: 'tuned', ...options });
      expect(published.seconds).toBeGreaterThan(0);
      expect(published.peakBytes).toBeGreaterThan(1e7);
      // Another order of summation, two steps of a float32 net. At CDARTS' learning rate a step moves the loss by half, and rounding
      // grows with it; in float64 its forms are the same to 1e-8 (cdarts_test.py).
      expect(tuned.loss).toBeCloseTo(published.loss, work === 'cdarts' ? 1 : 3);
    }
  });

  it('reports a failure and goes on', async () => {
    const bad = peer!.describe({ channels: 2, layers: 3, classes: 10, inputs: 0, size: 8 });
    await expect(bad).rejects.toThrow(/Error: /);
    const good = await peer!.describe({ channels: 2, layers: 3, classes: 10, inputs: 3, size: 8 });
    expect(good.names).toContain('classifier.weight');
  });
});

describe('a missing PyTorch', () => {
  it('gives undefined and says why', async () => {
    const before = process.env.DARTSMITH_PYTHON;
    process.env.DARTSMITH_PYTHON = '/nonexistent/python';
    try {
      let why = '';
      const missing = await openTorchPeer((text) => {
        why = text;
      });
      expect(missing).toBeUndefined();
      expect(why).toContain('/nonexistent/python');
    } finally {
      if (before === undefined) delete process.env.DARTSMITH_PYTHON;
      else process.env.DARTSMITH_PYTHON = before;
    }
  });
});
