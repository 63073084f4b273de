import { expect, it } from 'vitest';
import { terminateWorkers } from '../helpers/terminated_workers.ts';

it('workers that are terminated in passes of seconds end within some kernels, and leave no engine threads', () => {
  const count = 4;
  const { workers, threadsAtFirst, threadsAtLast, passMillis } = terminateWorkers({ count, side: 64, layers: 80 });
  expect(workers.map(({ exitCode }) => exitCode)).toEqual(new Array(count).fill(1));
  expect(threadsAtLast).toBeLessThanOrEqual(threadsAtFirst);
  const millis = workers.map((worker) => worker.millis).sort((a, b) => a - b);
  expect(millis[count / 2]).toBeLessThan(passMillis / 4);
});
