// A state dict as torch.save writes it in its zip format: an OrderedDict of float32 tensors, each with a storage of its own.
import { type Zippable, zipSync } from 'fflate';
import type { WeightTensor } from '../io/safetensors.ts';

/** The bytes of a file that torch.load reads, with `weights_only` as well. The same input gives the same bytes. */
export function encodeTorchFile(tensors: ReadonlyMap<string, WeightTensor>): Uint8Array {
  const storages = [...tensors.values()].map(({ data }) => Float32Array.from(data));
  const text = (value: string) => new TextEncoder().encode(value);
  const files: Zippable = {
    'archive/data.pkl': pickleOf(tensors),
    'archive/byteorder': text('little'),
    'archive/version': text('3\n'),
  };
  storages.forEach((values, key) => {
    files[`archive/data/${key}`] = new Uint8Array(values.buffer);
  });
  // A fixed date: nothing of the machine or the day is in the file.
  return zipSync(files, { level: 0, mtime: new Date(2000, 0, 1) });
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
  false: 0x89,
  persistentId: 0x51,
  stop: 0x2e,
} as const;

function pickleOf(tensors: ReadonlyMap<string, WeightTensor>): Uint8Array {
  const pickle = new PickleWriter();
  pickle.op(opcode.proto, 2);
  pickle.emptyOrderedDict();
  pickle.op(opcode.mark);
  let key = 0;
  for (const [name, { shape }] of tensors) {
    pickle.text(name);
    pickle.tensor(String(key++), shape);
  }
  pickle.op(opcode.setItems, opcode.stop);
  return pickle.bytes();
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

  emptyOrderedDict(): void {
    this.global('collections', 'OrderedDict');
    this.op(opcode.emptyTuple, opcode.reduce);
  }

  /** A contiguous float32 tensor that is all of its storage. */
  tensor(key: string, shape: readonly number[]): void {
    const count = shape.reduce((product, size) => product * size, 1);
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
    this.global('torch._utils', '_rebuild_tensor_v2');
    this.tuple(() => {
      this.tuple(() => {
        this.text('storage');
        this.global('torch', 'FloatStorage');
        this.text(key);
        this.text('cpu');
        this.integer(count);
      });
      this.op(opcode.persistentId);
      this.integer(0);
      for (const sizes of [shape, strides]) {
        this.tuple(() => {
          for (const size of sizes) this.integer(size);
        });
      }
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
