// Candidates in groups: by the distances of their mean features (k-means), or by how their features correlate.
import { kmeans } from 'ml-kmeans';
import type { Correlation } from './correlation.ts';
import type { Coordinates } from './projection.ts';

/** The group of each point; groups are numbered in the order of their first points. */
export type Assignment = readonly number[];

/** So few points have few enough partitions that the best one is looked for among all of them. */
const mostPartitioned = 8;
const starts = 10;

/** Points in `groups` groups with the smallest sum of squared distances from the groups' means; of several the first. */
export function clustered(points: readonly Coordinates[], groups: number): Assignment {
  return points.length <= mostPartitioned ? bestPartition(points, groups) : byKMeans(points, groups);
}

/** The exact optimum. */
function bestPartition(points: readonly Coordinates[], groups: number): Assignment {
  let best: Assignment = [];
  let least = Number.POSITIVE_INFINITY;
  for (const assignment of partitions(points.length, groups)) {
    const scatter = scatterOf(points, assignment, groups);
    if (scatter < least) [best, least] = [[...assignment], scatter];
  }
  return best;
}

/** All ways to put points in so many groups, none of them empty, each once. */
function* partitions(points: number, groups: number, begun: readonly number[] = []): Generator<Assignment> {
  if (begun.length === points) {
    if (Math.max(...begun) + 1 === groups) yield begun;
    return;
  }
  const used = Math.max(-1, ...begun) + 1;
  for (let group = 0; group <= Math.min(used, groups - 1); group++)
    yield* partitions(points, groups, [...begun, group]);
}

function byKMeans(points: readonly Coordinates[], groups: number): Assignment {
  const data = points.map((point) => [...point]);
  const runs = Array.from({ length: starts }, (_, seed) => kmeans(data, groups, { initialization: 'kmeans++', seed }));
  const [best] = runs
    .map(({ clusters }) => clusters)
    .sort((a, b) => scatterOf(points, a, groups) - scatterOf(points, b, groups));
  return renumbered(best);
}

/** The sum of squared distances from the groups' means. */
function scatterOf(points: readonly Coordinates[], assignment: Assignment, groups: number): number {
  let sum = 0;
  for (let group = 0; group < groups; group++) {
    const own = points.filter((_, i) => assignment[i] === group);
    for (const axis of points[0].keys()) {
      const mean = own.reduce((total, point) => total + point[axis], 0) / own.length;
      sum += own.reduce((total, point) => total + (point[axis] - mean) ** 2, 0);
    }
  }
  return sum;
}

/**
 * Points in groups by average linkage: those of the largest mean correlation join first. Without `groups` as many as are left before the
 * widest gap between one joining and the next, at least two.
 */
export function correlated(correlation: Correlation, groups?: number): Assignment {
  const joined = correlation.map((_, i) => [i]);
  const steps: { readonly at: number; readonly assignment: Assignment }[] = [];
  const now = () => renumbered(correlation.map((_, i) => joined.findIndex((group) => group.includes(i))));
  const ends: Assignment[] = [now()];
  while (joined.length > 1) {
    const { a, b, at } = closest(correlation, joined);
    joined[a].push(...joined[b]);
    joined.splice(b, 1);
    ends.push(now());
    steps.push({ at, assignment: ends[ends.length - 2] });
  }
  if (groups !== undefined) return ends[correlation.length - groups];
  // The joining that comes furthest below the one before it is not done.
  let [widest, found] = [Number.NEGATIVE_INFINITY, ends[0]];
  for (let step = 1; step < steps.length; step++) {
    const gap = steps[step - 1].at - steps[step].at;
    if (gap > widest) [widest, found] = [gap, steps[step].assignment];
  }
  return found;
}

function closest(correlation: Correlation, groups: readonly (readonly number[])[]) {
  let best = { a: 0, b: 1, at: Number.NEGATIVE_INFINITY };
  for (let a = 0; a < groups.length; a++) {
    for (let b = a + 1; b < groups.length; b++) {
      const pairs = groups[a].flatMap((i) => groups[b].map((j) => correlation[i][j]));
      const at = pairs.reduce((sum, value) => sum + value, 0) / pairs.length;
      if (at > best.at) best = { a, b, at };
    }
  }
  return best;
}

function renumbered(assignment: readonly number[]): Assignment {
  const order = [...new Set(assignment)];
  return assignment.map((group) => order.indexOf(group));
}
