// Loops of a function's flow graph.

/** Instructions that run one after another. */
export interface Block {
  /** Places in the function: the first, and one past the last. */
  readonly first: number;
  readonly end: number;
  /** Indices of the blocks that may follow. */
  readonly next: readonly number[];
}

/** The blocks of each natural loop, those of one header joined. A block that nobody is seen to jump to counts as an entry. */
export function naturalLoops(blocks: readonly Block[]): Block[][] {
  const before: number[][] = blocks.map(() => []);
  for (const [index, { next }] of blocks.entries()) for (const target of next) before[target].push(index);
  const dominators = dominatorsOf(blocks, before);
  const loops = new Map<number, Set<number>>();
  for (const [index, { next }] of blocks.entries()) {
    for (const header of next.filter((target) => dominates(dominators, target, index))) {
      const body = loops.get(header) ?? new Set([header]);
      loops.set(header, body);
      reach(index, before, body);
    }
  }
  return [...loops.values()].map((body) => [...body].sort((a, b) => a - b).map((index) => blocks[index]));
}

/** Adds all that leads to a block without passing what is in the body already. */
function reach(from: number, before: readonly number[][], body: Set<number>): void {
  const left = [from];
  for (let index = left.pop(); index !== undefined; index = left.pop()) {
    if (body.has(index)) continue;
    body.add(index);
    left.push(...before[index]);
  }
}

const root = -1;

/** Each block's immediate dominator (Cooper, Harvey and Kennedy, A Simple, Fast Dominance Algorithm). */
function dominatorsOf(blocks: readonly Block[], before: readonly number[][]): Map<number, number> {
  const { order, entries } = reversePostorder(blocks, before);
  const rank = new Map(order.map((index, at) => [index, at]));
  const dominators = new Map<number, number>();
  const meet = (a: number, b: number): number => {
    let [one, other] = [a, b];
    while (one !== other) {
      if (one === root || other === root) return root;
      if (rank.get(one)! > rank.get(other)!) one = dominators.get(one)!;
      else other = dominators.get(other)!;
    }
    return one;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (const index of order) {
      const known = before[index].filter((one) => dominators.has(one));
      const found = entries.has(index) ? root : known.reduce(meet);
      if (dominators.get(index) === found) continue;
      dominators.set(index, found);
      changed = true;
    }
  }
  return dominators;
}

/** Blocks before those that follow them, as far as they lie in no loop; and those that are entered from outside. */
function reversePostorder(blocks: readonly Block[], before: readonly number[][]) {
  const seen = new Set<number>();
  const order: number[] = [];
  const entries = new Set<number>();
  const visit = (start: number) => {
    if (seen.has(start)) return;
    entries.add(start);
    seen.add(start);
    const stack = [{ index: start, at: 0 }];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = blocks[top.index].next[top.at++];
      if (next === undefined) order.push(stack.pop()!.index);
      else if (!seen.has(next)) {
        seen.add(next);
        stack.push({ index: next, at: 0 });
      }
    }
  };
  for (const [index, leading] of before.entries()) if (index > 0 && leading.length === 0) visit(index);
  visit(0);
  // What only leads to itself.
  for (const index of blocks.keys()) visit(index);
  return { order: order.reverse(), entries };
}

function dominates(dominators: ReadonlyMap<number, number>, above: number, below: number): boolean {
  for (let index = below; index !== root; index = dominators.get(index) ?? root) if (index === above) return true;
  return false;
}
