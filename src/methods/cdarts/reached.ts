// Which groups of weights take part in a step: in the published code a gradient that was cleared is zero, not absent.
import { defaultGroup, type Graph } from '../../graph/graph.ts';

/** The networks of a search: the search network S, the evaluation network E. */
export type Side = 'search' | 'evaluation';

/** Groups of the weights of a graph, in its order. */
export function groupsOf({ parameters }: Pick<Graph, 'parameters'>): string[] {
  const weights = parameters.filter(({ role }) => role === 'weight');
  return [...new Set(weights.map(({ group = defaultGroup }) => group))];
}

/**
 * The groups that have had a gradient so far. Such a one takes part in every step of its optimisers, with a gradient of 0 where the pass does
 * not reach it: decay acts, momentum runs on. With `passOver` only what a pass reaches takes part, as with PyTorch from 2.0 on.
 */
export class ReachedGroups {
  readonly #had: Set<string>;
  readonly #passOver: boolean;

  constructor(had: readonly string[], passOver: boolean) {
    this.#had = new Set(had);
    this.#passOver = passOver;
  }

  /** A pass reaches groups; gives those among some that take part in the step behind it. */
  step(reached: readonly string[], among: ReadonlySet<string>): string[] {
    for (const group of reached) this.#had.add(group);
    return [...(this.#passOver ? reached : this.#had)].filter((group) => among.has(group));
  }

  /** Groups that have no gradient any more, as their tensors are others now. */
  forget(isGone: (group: string) => boolean): void {
    for (const group of [...this.#had].filter(isGone)) this.#had.delete(group);
  }

  /** In the order in which they came. */
  get list(): readonly string[] {
    return [...this.#had];
  }
}
