// checkpoint.pth.tar of a search of FairDARTS' published code: alpha and its history, without weights. The criterion in it, an object of
// a class of that code, is passed over.
import { FileError } from '../errors.ts';
import type { CellType } from '../genotype/genotype.ts';
import { alphaNames, alphaPaths, rowsOf } from './alphas.ts';
import { type EdgeLists, edgeLists } from './edge_lists.ts';
import { tensorsOf } from './open_tensors.ts';
import { openTorchArchive } from './torch_archive.ts';

/** What is taken of it. */
export interface SearchCheckpoint {
  readonly alpha: Readonly<Record<CellType, readonly (readonly number[])[]>>;
  /** Absent where it holds none. */
  readonly lists?: Readonly<Record<CellType, EdgeLists>>;
  /** The epoch that comes next; 0 where it does not say. */
  readonly epoch: number;
}

/** Reads the bytes of one. Throws FileError that names `path`. */
export function readSearchCheckpoint(bytes: Uint8Array, path: string): SearchCheckpoint {
  const { source, format } = tensorsOf(bytes, path);
  const paths = alphaPaths(source.paths);
  const missing = alphaNames.filter((name) => !paths.has(name));
  if (missing.length > 0) {
    throw new FileError(`${path} is no checkpoint of a search: expected ${alphaNames.join(' and ')}`);
  }
  const tensors = source.read([...paths.values()]);
  const [normal, reduce] = alphaNames.map((name) => {
    const { shape, data } = tensors.get(paths.get(name)!)!;
    if (shape.length !== 2 || !data.every(Number.isFinite) || data.length === 0) {
      throw new FileError(`${path}: expected a table of finite numbers for ${name}`);
    }
    return rowsOf(data, shape);
  });
  const root = format === 'torch' ? openTorchArchive(bytes).value : undefined;
  const states = root instanceof Map ? root.get('network_states') : undefined;
  const epoch: unknown = root instanceof Map ? root.get('epoch') : undefined;
  const [normalLists, reduceLists] = alphaNames.map((name) => {
    const lists: unknown = states instanceof Map ? states.get(`${name}_history`) : undefined;
    return lists instanceof Map && lists.size > 0 ? edgeLists(lists, path) : undefined;
  });
  if ((normalLists === undefined) !== (reduceLists === undefined)) {
    throw new FileError(`${path}: expected the history of both cells or of none`);
  }
  return {
    alpha: { normal, reduce },
    ...(normalLists && reduceLists && { lists: { normal: normalLists, reduce: reduceLists } }),
    epoch: Number.isSafeInteger(epoch) && Number(epoch) >= 0 ? Number(epoch) : 0,
  };
}
