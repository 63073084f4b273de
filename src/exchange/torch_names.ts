// What the names in a pickle of torch.save stand for: tensors and containers. Nothing else is known, and nothing is run.

import { Opaque, type PickleGlobal, type PickleNames } from '../io/unpickle.ts';
import { StorageType, storageType } from './torch_types.ts';

/** A storage as the pickle names it. */
export class StorageReference {
  readonly type: StorageType;
  readonly key: string;
  /** Of its elements. */
  readonly count: number;

  constructor(type: StorageType, key: string, count: number) {
    this.type = type;
    this.key = key;
    this.count = count;
  }
}

/** A view of a storage. */
export class TensorReference {
  readonly storage: StorageReference;
  /** PyTorch's name of its elements' type. */
  readonly type: string;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];

  constructor(storage: unknown, offset: unknown, shape: unknown, strides: unknown, type?: string) {
    if (!(storage instanceof StorageReference)) throw new Error('expected a storage for a tensor');
    if (!isCount(offset) || !isCounts(shape) || !isCounts(strides) || shape.length !== strides.length) {
      throw new Error('expected offset, shape and strides for a tensor');
    }
    this.storage = storage;
    this.type = type ?? storage.type.type;
    this.offset = offset;
    // Copies: the pickle may change its lists after this check.
    this.shape = [...shape];
    this.strides = [...strides];
  }
}

const mostAxes = 16;

const rebuildTensor: PickleGlobal = ([storage, offset, shape, strides]) =>
  new TensorReference(storage, offset, shape, strides);

/** The same for types that have no kind of storage. */
const rebuildTypedTensor: PickleGlobal = ([storage, offset, shape, strides, , , type]) =>
  new TensorReference(storage, offset, shape, strides, type instanceof Opaque ? type.name.replace(/^torch\./, '') : '');

const first: PickleGlobal = ([value]) => value;

const tensorGlobals: Readonly<Record<string, PickleGlobal>> = {
  'torch._utils._rebuild_tensor': rebuildTensor,
  'torch._utils._rebuild_tensor_v2': rebuildTensor,
  'torch._utils._rebuild_tensor_v3': rebuildTypedTensor,
};

const globals: Readonly<Record<string, PickleGlobal>> = {
  ...tensorGlobals,
  'collections.OrderedDict': ([items = []]) => new Map(items as Iterable<readonly [unknown, unknown]>),
  'collections.defaultdict': ([, items = []]) => new Map(items as Iterable<readonly [unknown, unknown]>),
  'torch.Size': first,
  // Parameters, with or without attributes; in files of before 0.4 they and variables are made by their classes.
  'torch._utils._rebuild_parameter': first,
  'torch._utils._rebuild_parameter_with_state': first,
  'torch.nn.parameter.Parameter': first,
  'torch.nn.parameter.Buffer': first,
  'torch.autograd.variable.Variable': first,
  // Tensors of classes of their own.
  'torch._tensor._rebuild_from_type': fromType,
  'torch._tensor._rebuild_from_type_v2': fromType,
};

/** Names for one file; the kinds of its storages are entered in `types` by their keys. */
export function torchNames(types: Map<string, StorageType>): PickleNames {
  return {
    global: (module, name) => {
      const full = `${module}.${name}`;
      return storageType(module, name) ?? (Object.hasOwn(globals, full) ? globals[full] : undefined);
    },
    persistent: (id) => {
      const reference = persistent(id);
      if (reference instanceof StorageReference) types.set(reference.key, reference.type);
      return reference;
    },
  };
}

function fromType([rebuild, , args]: readonly unknown[]): unknown {
  const known = Object.values(tensorGlobals).find((global) => global === rebuild);
  return known === undefined || !Array.isArray(args) ? new Opaque('torch.Tensor') : known(args);
}

function persistent(id: unknown): StorageReference | Opaque {
  const [kind, type, key, , count, view] = Array.isArray(id) ? id : [];
  // Of a whole module the source of its class.
  if (kind === 'module') return type instanceof Opaque ? type : new Opaque('module');
  if (kind !== 'storage' || !(type instanceof StorageType) || typeof key !== 'string' || !isCount(count)) {
    throw new Error('expected the identifier of a storage');
  }
  // Files of before 0.4 may have storages that are parts of others.
  if (view !== undefined && view !== null) throw new Error(`expected a storage of its own but got a view for ${key}`);
  return new StorageReference(type, key, count);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= mostAxes && value.every(isCount);
}
