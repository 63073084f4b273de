// The names that StacNAS' code (Li et al., arXiv:1909.11926) has for the weights of its networks, as those of DARTS' code, which are ours.
import type { WeightTensor } from '../io/safetensors.ts';
import type { TensorSource } from './tensor_source.ts';

/** Parts of a separable convolution's second half count on from the first. */
const halves = [0, 4];

/** A file's tensors under our names where they have StacNAS'; else as they are. Of a supernet alpha's vectors, one an edge, become tables. */
export function translated(source: TensorSource): TensorSource {
  const last = source.paths.find((path) => /(?:^|\.)_classifier\.weight$/.test(path) && !path.includes('_aux_head'));
  const prefix = last?.slice(0, -'_classifier.weight'.length) ?? '';
  const all = new Set(source.paths);
  if (last === undefined || !all.has(`${prefix}_stem.0.weight`)) return source;
  const names = source.paths
    .filter((path) => path.startsWith(prefix))
    .map((path) => [ourName(path.slice(prefix.length), (name) => all.has(prefix + name)), path] as const);
  const paths = new Map<string, readonly string[]>();
  for (const [name, path] of names) paths.set(name, [...(paths.get(name) ?? []), path]);
  return {
    ...source,
    paths: [...paths.keys()],
    root: '',
    read: (wanted) => {
      const read = source.read(wanted.flatMap((name) => paths.get(name)!));
      return new Map(wanted.map((name) => [name, joined(paths.get(name)!.map((path) => read.get(path)!))] as const));
    },
  };
}

/** Vectors of one name are the rows of a table, in the order of the file: by node, then by edge. */
function joined(tensors: readonly WeightTensor[]): WeightTensor {
  const [first] = tensors;
  if (tensors.length === 1) return first;
  const rows = tensors.map(({ data }) => [...data]);
  return { shape: [rows.length, first.shape[0]], data: Float32Array.from(rows.flat()) };
}

/** One name; `has` tells of the others. */
function ourName(name: string, has: (name: string) => boolean): string {
  const table = /^_alpha_(normal|reduce)_\d+_\d+$/.exec(name);
  if (table !== null) return `alphas_${table[1]}`;
  const cellTable = /^_cells\.(\d+)\._alpha_\d+_\d+$/.exec(name);
  if (cellTable !== null) return `cells.${cellTable[1]}.alphas`;
  const cell = /^_cells\.(\d+)\._(preproc[01]|dag)\.(.+)$/.exec(name);
  if (cell === null) return name.replace(/^_aux_head\._/, 'auxiliary_head.').replace(/^_(stem|classifier)\./, '$1.');
  const [, index, part, rest] = cell;
  if (part !== 'dag') return `cells.${index}.${part.replace('preproc', 'preprocess')}.${operationName(rest, true)}`;
  const derived = /^(\d+)\.(\d+)\.0\.(.+)$/.exec(rest);
  const searched = /^(\d+)\.(\d+)\._ops\.(\d+)\.(.+)$/.exec(rest);
  const [, node, place, ...ends] = derived ?? searched ?? [];
  const [end = rest, candidate] = ends.toReversed();
  const isReduce = has(`${name.slice(0, -end.length)}conv1.weight`);
  // A derived node has two edges, a searched one an edge from each state before it.
  const row = derived ? 2 * Number(node) + Number(place) : (Number(node) * (Number(node) + 3)) / 2 + Number(place);
  const own = candidate === undefined ? '' : `_ops.${candidate}.`;
  return `cells.${index}._ops.${row}.${own}${operationName(end, isReduce)}`;
}

/** Of a part of an operation; `isReduce` tells a factorized reduction's norm from a pooling's. */
function operationName(name: string, isReduce: boolean): string {
  const half = /^_ops\.([01])\._ops\.(\d+)\.(.+)$/.exec(name);
  if (half !== null) return `op.${halves[Number(half[1])] + Number(half[2])}.${half[3]}`;
  if (name.startsWith('bn.') && !isReduce) return name.replace(/^bn/, '1');
  return name.replace(/^_ops\./, 'op.').replace(/^conv([12])\./, 'conv_$1.');
}
