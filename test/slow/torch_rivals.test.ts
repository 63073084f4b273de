// Rivals of gpu:check where there is no GPU: PyTorch's eager forms take steps on the CPU, the others fail and harm nobody.
import { expect, it } from 'vitest';
import { openRivals } from '../../bench/gpu/rivals.ts';

const around = { backend: 'cpu', progress: () => {} } as const;
const sizes = { step: { batch: 2, image: [8, 8, 3], channels: 2, layers: 3 }, compiledRivals: true } as const;

it('takes steps with the forms that work here and goes on after those that do not', {
  timeout: 120_000,
}, async (context) => {
  const { rivals, leftOut, close } = await openRivals(around, sizes);
  if (leftOut.PyTorch !== undefined) return context.skip(leftOut.PyTorch);
  try {
    for (const order of ['first order', 'second order'] as const) {
      const [published, tuned] = rivals.filter(({ name }) => / eager,/.test(name));
      const graphed = rivals.find(({ name }) => / tuned, CUDA graph, fp32/.test(name))!;
      expect(await published.time(order)).toBeGreaterThan(0);
      await expect(graphed.time(order)).rejects.toThrow();
      expect(await tuned.time(order)).toBeGreaterThan(0);
    }
  } finally {
    await close();
  }
});
