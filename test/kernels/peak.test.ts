import { describe, expect, it } from 'vitest';
import { instructionSets, openDevice } from '../../src/backend/open.ts';

describe('the measured peak', () => {
  it.each(instructionSets())('%s: believable rates', async (instructionSet) => {
    using device = await openDevice({ threads: 1, instructionSet });
    const { flopsPerSecond, bytesPerSecond } = await device.measurePeak();
    // From a slow phone's core to more than any core of these years.
    expect(flopsPerSecond).toBeGreaterThan(1e8);
    expect(flopsPerSecond).toBeLessThan(1e12);
    expect(bytesPerSecond).toBeGreaterThan(1e8);
    expect(bytesPerSecond).toBeLessThan(1e12);
  });

  it('is refused by a device that was disposed', async () => {
    const device = await openDevice({ threads: 1 });
    device.dispose();
    await expect(async () => device.measurePeak()).rejects.toThrow('disposed');
  });
});
