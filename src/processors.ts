// How many processors this process may use: the one source for threads, workers and what `dartsmith doctor` says.
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

/** Where Linux tells of control groups, and what the affinity allows; tests give their own. */
export interface ProcessorSources {
  /** What `/proc` and `/sys` lie in. */
  readonly root?: string;
  /** Processors by affinity (taskset, cpusets, Slurm). */
  readonly affinity?: number;
}

/**
 * Processors that this process may use, at least 1: those of its affinity, or fewer where a control group (a container, a batch
 * system) gives it a smaller share of processor time, rounded up.
 */
export function allowedProcessors({ root = '/', affinity = availableParallelism() }: ProcessorSources = {}): number {
  const shares = controlGroups(root).map(cpuShare);
  return Math.max(1, Math.min(affinity, ...shares.map(Math.ceil)));
}

/** The folders of the process's CPU control groups, versions 1 and 2, and of all that these lie in: each may have a quota. */
function controlGroups(root: string): string[] {
  const memberships = (read(join(root, 'proc/self/cgroup')) ?? '').split('\n');
  const mount = join(root, 'sys/fs/cgroup');
  return memberships.flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path === undefined) return [];
    if (controllers === '') return withParents(mount, path);
    return controllers.split(',').includes('cpu') ? withParents(join(mount, controllers), path) : [];
  });
}

function withParents(mount: string, path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '' && part !== '..');
  return [...parts.keys(), parts.length].map((depth) => join(mount, ...parts.slice(0, depth)));
}

/** Processors' worth of time that a group's quota gives; Infinity where it has none. */
function cpuShare(group: string): number {
  const [quota, period] =
    read(join(group, 'cpu.max'))?.trim().split(/\s+/) ??
    ['cpu.cfs_quota_us', 'cpu.cfs_period_us'].map((file) => read(join(group, file)) ?? '');
  const share = Number.parseInt(quota, 10) / Number.parseInt(period, 10);
  return share > 0 ? share : Number.POSITIVE_INFINITY;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
