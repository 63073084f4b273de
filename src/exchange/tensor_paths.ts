import { Opaque } from '../io/unpickle.ts';
import { TensorReference } from './torch_names.ts';

/** Keys under which a pickled module keeps what its state dict names without them. */
const transparent = new Set<unknown>(['_parameters', '_buffers', '_modules']);

const longestPath = 500;
const deepest = 100;

/**
 * Every tensor within an object by its path, such as `state_dict.stem.0.weight`; of a pickled module by the name that its state dict
 * has for it. A container that is reached in several ways is looked through once.
 */
export function tensorPaths(root: unknown): Map<string, TensorReference> {
  const found = new Map<string, TensorReference>();
  const seen = new Set<unknown>();
  const visit = (value: unknown, path: string, depth: number): void => {
    if (value instanceof TensorReference) {
      if (path !== '' && !found.has(path)) found.set(path, value);
      return;
    }
    if (depth > deepest || path.length > longestPath || seen.has(value)) return;
    if (typeof value === 'object') seen.add(value);
    for (const [key, item] of entriesOf(value)) visit(item, joined(path, key), depth + 1);
  };
  visit(root, '', 0);
  return found;
}

/** What a value holds; the key of what counts as itself is undefined. Shared containers come whole, to be looked through once. */
function* entriesOf(value: unknown): Iterable<readonly [key: unknown, item: unknown]> {
  if (value instanceof Map || Array.isArray(value)) yield* value.entries();
  if (!(value instanceof Opaque)) return;
  yield [undefined, value.state];
  yield [undefined, value.args];
  yield* value.items ?? [];
}

function joined(path: string, key: unknown): string {
  if (key === undefined || transparent.has(key)) return path;
  const name = typeof key === 'string' || typeof key === 'number' ? String(key) : '?';
  return path === '' ? name : `${path}.${name}`;
}
