import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { allowedProcessors } from '../../src/processors.ts';
import { scratch } from '../helpers/scratch.ts';

/** A root folder that holds these files. */
function rootOf(files: Readonly<Record<string, string>>): string {
  const root = scratch();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

const v1 = (path: string, quota: number, period = 100_000) => ({
  [`sys/fs/cgroup/cpu,cpuacct/${path}/cpu.cfs_quota_us`]: `${quota}\n`,
  [`sys/fs/cgroup/cpu,cpuacct/${path}/cpu.cfs_period_us`]: `${period}\n`,
});
const one = 'proc/self/cgroup';

describe('allowedProcessors', () => {
  it.each<[string, Record<string, string>, number]>([
    ['no control groups', {}, 8],
    ['no quota', { [one]: '0::/\n', 'sys/fs/cgroup/cpu.max': 'max 100000\n' }, 8],
    ['a quota of version 2, rounded up', { [one]: '0::/\n', 'sys/fs/cgroup/cpu.max': '250000 100000\n' }, 3],
    ['less than one', { [one]: '0::/job\n', 'sys/fs/cgroup/job/cpu.max': '5000 100000\n' }, 1],
    [
      'the least of the groups around it',
      {
        [one]: '0::/slice/job/step\n',
        'sys/fs/cgroup/slice/cpu.max': '200000 100000\n',
        'sys/fs/cgroup/slice/job/step/cpu.max': '400000 100000\n',
      },
      2,
    ],
    ['more than the affinity', { [one]: '0::/\n', 'sys/fs/cgroup/cpu.max': '6400000 100000\n' }, 8],
    ['a quota of version 1', { [one]: '5:cpu,cpuacct:/job\n3:memory:/job\n', ...v1('job', 150_000) }, 2],
    ['none of version 1', { [one]: '5:cpu,cpuacct:/job\n', ...v1('job', -1) }, 8],
    [
      "a container's own group, which it sees as the root",
      { [one]: '5:cpu,cpuacct:/docker/0\n', ...v1('', 300_000) },
      3,
    ],
    ['files that say nothing', { [one]: 'nothing\n0::/\n', 'sys/fs/cgroup/cpu.max': '\n' }, 8],
  ])('heeds %s', (_, files, expected) => {
    expect(allowedProcessors({ root: rootOf(files), affinity: 8 })).toBe(expected);
  });

  it('is what the affinity allows where nothing else bounds it', () => {
    expect(allowedProcessors({ root: scratch() })).toBe(availableParallelism());
  });
});

const taskset = spawnSync('taskset', ['-c', '0', 'true']).status === 0;

describe('a device that is opened without a number of threads', () => {
  it.runIf(taskset)('has as many as the process may use', () => {
    const open = `import { openDevice } from '${new URL('../../dist/index.js', import.meta.url)}';
      console.log((await openDevice({ backend: 'cpu' })).description)`;
    const { stdout, stderr } = spawnSync('taskset', ['-c', '0', process.execPath, '--input-type=module', '-e', open], {
      encoding: 'utf8',
    });
    expect(stdout, stderr).toContain(', 1 thread)');
  });
});
