// A state dict as torch.save writes it: an OrderedDict of tensors, float32 and counters of batches int64. Tensors of one array share a storage.

import { type Zippable, zipSync } from 'fflate';
import { elementsOf } from '../graph/shape.ts';
import type { WeightTensor } from '../io/safetensors.ts';
import { isCounter } from './batch_counters.ts';
import { legacyMagic } from './torch_types.ts';

type Tensors = ReadonlyMap<string, WeightTensor>;

/**
 * The bytes of a file in the zip format, which torch.load reads, with `weights_only` as well: a state dict, or with `apart` a dict of
 * the tensors of these names and of a `state_dict` without them. The same input gives the same bytes.
 */
export function encodeTorchFile(tensors: Tensors, apart: readonly string[] = []): Uint8Array {
  const text = (value: string) => new TextEncoder().encode(value);
  const files: Zippable = {
    'archive/data.pkl': checkpoint(tensors, apart, 'zip'),
    'archive/byteorder': text('little'),
    'archive/version': text('3\n'),
  };
  storagesOf(tensors).forEach((values, key) => {
    files[`archive/data/${key}`] = new Uint8Array(values.buffer);
  });
  // A fixed date: nothing of the machine or the day is in the file.
  return zipSync(files, { level: 0, mtime: new Date(2000, 0, 1) });
}

/** The same in the format from before PyTorch 1.6, in what PyTorch 0.3 knows: the published code's. */
export function encodeLegacyTorchFile(tensors: Tensors, apart: readonly string[] = []): Uint8Array {
  const storages = storagesOf(tensors);
  const parts = [legacyMagic, pickled(writeProtocol), pickled(writeSystem), checkpoint(tensors, apart, 'legacy')];
  parts.push(pickled((pickle) => pickle.list(storages.map((_, key) => String(key)))));
  for (const values of storages) parts.push(littleEndian(values.length, 8), new Uint8Array(values.buffer));
  return Uint8Array.from(Buffer.concat(parts));
}

type Format = 'zip' | 'legacy';

const legacyProtocol = 1001;

function storagesOf(tensors: Tensors): (Float32Array | BigInt64Array)[] {
  const keys = storageKeys(tensors);
  return [...tensors]
    .filter((_, index) => keys.indexOf(keys[index]) === index)
    .map(([name, { data }]) =>
      isCounter(name) ? BigInt64Array.from(data, (value) => BigInt(Math.trunc(value) || 0)) : Float32Array.from(data),
    );
}

/** Of each tensor the number of its storage. */
function storageKeys(tensors: Tensors): number[] {
  const known = new Map<WeightTensor['data'], number>();
  return [...tensors.values()].map(({ data }) => {
    const key = known.get(data) ?? known.size;
    known.set(data, key);
    return key;
  });
}

/** Opcodes of pickle protocol 2 (https://docs.python.org/3/library/pickletools.html). */
const opcode = {
  proto: 0x80,
  global: 0x63,
  emptyTuple: 0x29,
  reduce: 0x52,
  mark: 0x28,
  tuple: 0x74,
  setItems: 0x75,
  unicode: 0x58,
  int: 0x4a,
  long: 0x8a,
  none: 0x4e,
  true: 0x88,
  false: 0x89,
  emptyDict: 0x7d,
  emptyList: 0x5d,
  appends: 0x65,
  persistentId: 0x51,
  stop: 0x2e,
} as const;

function pickled(write: (pickle: PickleWriter) => void): Uint8Array {
  const pickle = new PickleWriter();
  pickle.op(opcode.proto, 2);
  write(pickle);
  pickle.op(opcode.stop);
  return pickle.bytes();
}

function checkpoint(tensors: Tensors, apart: readonly string[], format: Format): Uint8Array {
  const numbers = storageKeys(tensors);
  const keys = new Map([...tensors.keys()].map((name, index) => [name, String(numbers[index])]));
  const inside = [...tensors.keys()].filter((name) => !apart.includes(name));
  return pickled((pickle) => {
    const write = (names: readonly string[]) => {
      for (const name of names) {
        pickle.text(name);
        pickle.tensor(
          keys.get(name)!,
          tensors.get(name)!.shape,
          isCounter(name) ? 'LongStorage' : 'FloatStorage',
          format,
        );
      }
    };
    if (apart.length > 0) {
      pickle.op(opcode.emptyDict, opcode.mark);
      pickle.text('state_dict');
    }
    pickle.emptyOrderedDict();
    pickle.items(() => write(inside));
    if (apart.length > 0) {
      write(apart);
      pickle.op(opcode.setItems);
    }
  });
}

function writeProtocol(pickle: PickleWriter): void {
  pickle.integer(legacyProtocol);
}

/** What wrote the file: sizes of types in bytes. */
function writeSystem(pickle: PickleWriter): void {
  pickle.op(opcode.emptyDict);
  pickle.items(() => {
    pickle.text('protocol_version');
    pickle.integer(legacyProtocol);
    pickle.text('little_endian');
    pickle.op(opcode.true);
    pickle.text('type_sizes');
    pickle.op(opcode.emptyDict);
    pickle.items(() => {
      for (const [type, bytes] of Object.entries({ short: 2, int: 4, long: 4 })) {
        pickle.text(type);
        pickle.integer(bytes);
      }
    });
  });
}

class PickleWriter {
  readonly #parts: Uint8Array[] = [];

  op(...bytes: number[]): void {
    this.#parts.push(Uint8Array.from(bytes));
  }

  global(module: string, name: string): void {
    this.op(opcode.global);
    this.#parts.push(new TextEncoder().encode(`${module}\n${name}\n`));
  }

  text(value: string): void {
    const bytes = new TextEncoder().encode(value);
    this.#parts.push(Uint8Array.of(opcode.unicode), littleEndian(bytes.length, 4), bytes);
  }

  integer(value: number): void {
    if (value < 2 ** 31) this.#parts.push(Uint8Array.of(opcode.int), littleEndian(value, 4));
    else this.#parts.push(Uint8Array.of(opcode.long, 8), littleEndian(value, 8));
  }

  tuple(write: () => void): void {
    this.op(opcode.mark);
    write();
    this.op(opcode.tuple);
  }

  /** Keys and values of the dictionary before them. */
  items(write: () => void): void {
    this.op(opcode.mark);
    write();
    this.op(opcode.setItems);
  }

  list(values: readonly string[]): void {
    this.op(opcode.emptyList, opcode.mark);
    for (const value of values) this.text(value);
    this.op(opcode.appends);
  }

  emptyOrderedDict(): void {
    this.global('collections', 'OrderedDict');
    this.op(opcode.emptyTuple, opcode.reduce);
  }

  /** A contiguous tensor that is all of its storage. */
  tensor(key: string, shape: readonly number[], storage: string, format: Format): void {
    const count = elementsOf(shape);
    const strides = shape.map((_, axis) => elementsOf(shape.slice(axis + 1)));
    this.global('torch._utils', format === 'zip' ? '_rebuild_tensor_v2' : '_rebuild_tensor');
    this.tuple(() => {
      this.tuple(() => {
        this.text('storage');
        this.global('torch', storage);
        this.text(key);
        this.text('cpu');
        this.integer(count);
        if (format === 'legacy') this.op(opcode.none); // a view of no other storage
      });
      this.op(opcode.persistentId);
      this.integer(0);
      for (const sizes of [shape, strides]) {
        this.tuple(() => {
          for (const size of sizes) this.integer(size);
        });
      }
      if (format === 'legacy') return;
      this.op(opcode.false);
      this.emptyOrderedDict();
    });
    this.op(opcode.reduce);
  }

  bytes(): Uint8Array {
    return Uint8Array.from(Buffer.concat(this.#parts));
  }
}

function littleEndian(value: number, bytes: 4 | 8): Uint8Array {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(value), true);
  return new Uint8Array(view.buffer, 0, bytes);
}
