// The pickles that torch.save and pickle.dump write (protocols 2 to 5), read without running anything: a global that is not among a few names of
// tensors and containers becomes an opaque value that keeps what the file gives it. Our own reader: the npm packages of this kind
// set properties on any object that a file names, which a hostile file can make abort the process (a list's length) or get past
// checks.
import { Buffer } from 'node:buffer';

/** Something that a pickle may call; it is given the arguments as they are, never spread. */
export type PickleGlobal = (args: readonly unknown[]) => unknown;

/** What a name or a call of one stands for that this reader does not know. */
export class Opaque {
  /** Module and name, such as argparse.Namespace. */
  readonly name: string;
  /** What it was called with; none of a name alone. */
  readonly args: readonly unknown[];
  /** What it was to be restored from, such as its attributes. */
  state: unknown;
  /** Of a dict's subclass its entries, of a list's its items by index. */
  items: Map<unknown, unknown> | undefined;

  constructor(name: string, args: readonly unknown[] = []) {
    this.name = name;
    this.args = args;
  }
}

/** Where a pickle's names lead. */
export interface PickleNames {
  /** A PickleGlobal or another value by module and name; undefined for one that is opaque. */
  global(module: string, name: string): unknown;
  /** What a persistent identifier stands for. Throws for one that is refused. */
  persistent(id: unknown): unknown;
}

/** Objects that a pickle may make, and items that its calls may copy; a checkpoint of thousands of tensors has some ten thousand. */
const mostObjects = 2 ** 21;
const mostProtocol = 5;
const longestName = 1000;

/**
 * Reads one pickle from `start` on; dicts are Maps, tuples, lists and sets are arrays, texts of bytes and integers of more than 8
 * bytes are bytes. Throws Error for what neither torch.save nor pickle.dump writes.
 */
export function unpickle(bytes: Uint8Array, start: number, names: PickleNames): { value: unknown; end: number } {
  const reader = new Unpickler(bytes, start, names);
  const value = reader.read();
  return { value, end: reader.position };
}

class Unpickler {
  readonly #bytes: Buffer;
  readonly #names: PickleNames;
  readonly #stack: unknown[] = [];
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, unknown>();
  #objects = 0;
  position: number;

  constructor(bytes: Uint8Array, start: number, names: PickleNames) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#names = names;
    this.position = start;
  }

  read(): unknown {
    for (;;) {
      const opcode = this.#bytes[this.position++];
      if (opcode === 0x2e) return this.#pop();
      this.#run(opcode);
    }
  }

  /** What it returns means nothing. */
  #run(opcode: number | undefined): unknown {
    switch (opcode) {
      case 0x80: // PROTO
        if (this.#integer(1) > mostProtocol) throw new Error('expected a pickle protocol of at most 5');
        return;
      case 0x95: // FRAME
        this.#take(8);
        return;
      case 0x28: // MARK
        this.#marks.push(this.#stack.length);
        return;
      case 0x30: // POP, of a tuple that holds itself
        return this.#stack.length > (this.#marks.at(-1) ?? 0) ? this.#pop() : this.#marked();
      case 0x31: // POP_MARK
        return this.#marked();
      case 0x4e: // NONE
        return this.#push(null);
      case 0x88: // NEWTRUE
        return this.#push(true);
      case 0x89: // NEWFALSE
        return this.#push(false);
      case 0x4a: // BININT
        return this.#push(this.#take(4).readInt32LE());
      case 0x4b: // BININT1
        return this.#push(this.#integer(1));
      case 0x4d: // BININT2
        return this.#push(this.#integer(2));
      case 0x8a: // LONG1
        return this.#push(this.#long(this.#integer(1)));
      case 0x8b: // LONG4
        return this.#push(this.#long(this.#integer(4)));
      case 0x47: // BINFLOAT
        return this.#push(this.#take(8).readDoubleBE());
      case 0x58: // BINUNICODE
      case 0x54: // BINSTRING
        return this.#push(this.#take(this.#integer(4)).toString('utf8'));
      case 0x8c: // SHORT_BINUNICODE
      case 0x55: // SHORT_BINSTRING
        return this.#push(this.#take(this.#integer(1)).toString('utf8'));
      case 0x8d: // BINUNICODE8
        return this.#push(this.#take(this.#size()).toString('utf8'));
      case 0x43: // SHORT_BINBYTES
        return this.#push(this.#take(this.#integer(1)));
      case 0x42: // BINBYTES
        return this.#push(this.#take(this.#integer(4)));
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        return this.#push(this.#take(this.#size()));
      case 0x29: // EMPTY_TUPLE
      case 0x5d: // EMPTY_LIST
      case 0x8f: // EMPTY_SET
        return this.#push(this.#container([]));
      case 0x74: // TUPLE
      case 0x91: // FROZENSET
        return this.#push(this.#container(this.#marked()));
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return this.#push(this.#container(Array.from({ length: opcode - 0x84 }, () => this.#pop()).reverse()));
      case 0x61: // APPEND
        return this.#append([this.#pop()]);
      case 0x65: // APPENDS
      case 0x90: // ADDITEMS
        return this.#append(this.#marked());
      case 0x7d: // EMPTY_DICT
        return this.#push(this.#container(new Map()));
      case 0x73: // SETITEM
        return this.#setItems([this.#pop(), this.#pop()].reverse());
      case 0x75: // SETITEMS
        return this.#setItems(this.#marked());
      case 0x63: // GLOBAL
        return this.#push(this.#global(this.#line(), this.#line()));
      case 0x93: {
        const [name, module] = [this.#pop(), this.#pop()]; // STACK_GLOBAL
        return this.#push(this.#global(module, name));
      }
      case 0x52: // REDUCE
      case 0x81: {
        const [args, callable] = [this.#pop(), this.#pop()]; // NEWOBJ
        return this.#push(this.#call(callable, args));
      }
      case 0x92: {
        const [named, args, callable] = [this.#pop(), this.#pop(), this.#pop()]; // NEWOBJ_EX
        return this.#push(this.#call(callable, [args, named]));
      }
      case 0x51: // BINPERSID
        return this.#push(this.#names.persistent(this.#pop()));
      case 0x62: // BUILD
        return this.#build(this.#pop());
      case 0x71: // BINPUT
        return void this.#memo.set(this.#integer(1), this.#peek());
      case 0x72: // LONG_BINPUT
        return void this.#memo.set(this.#integer(4), this.#peek());
      case 0x94: // MEMOIZE
        return void this.#memo.set(this.#memo.size, this.#peek());
      case 0x68: // BINGET
        return this.#push(this.#recall(this.#integer(1)));
      case 0x6a: // LONG_BINGET
        return this.#push(this.#recall(this.#integer(4)));
      case undefined:
        throw new Error('the pickle ends too early');
      default:
        throw new Error(`refused the pickle's opcode 0x${opcode.toString(16)}: protocols 2 to 5 do not write it`);
    }
  }

  #take(count: number): Buffer {
    const end = this.position + count;
    if (end > this.#bytes.length) throw new Error('the pickle ends too early');
    const taken = this.#bytes.subarray(this.position, end);
    this.position = end;
    return taken;
  }

  #integer(bytes: 1 | 2 | 4): number {
    return this.#take(bytes).readUIntLE(0, bytes);
  }

  #size(): number {
    const size = this.#take(8).readBigUInt64LE();
    if (size > BigInt(this.#bytes.length)) throw new Error('the pickle ends too early');
    return Number(size);
  }

  /** Longer ones, such as the state of a random generator, are nothing that is read. */
  #long(length: number): number | bigint | Uint8Array {
    const bytes = this.#take(length);
    if (length > 8) return bytes;
    const value =
      length === 0 ? 0n : BigInt.asIntN(8 * length, BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`));
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.position);
    if (end < 0) throw new Error('the pickle ends too early');
    const text = this.#bytes.toString('utf8', this.position, end);
    this.position = end + 1;
    return text;
  }

  #push(value: unknown): void {
    this.#stack.push(value);
  }

  #container<T extends object>(container: T): T {
    this.#count(1);
    return container;
  }

  #count(objects: number): void {
    this.#objects += objects;
    if (this.#objects > mostObjects) throw new Error(`expected at most ${mostObjects} objects in a pickle`);
  }

  /** No pop may reach below the last mark. */
  #pop(): unknown {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) throw new Error('the pickle takes more than it has');
    return this.#stack.pop();
  }

  #peek(): unknown {
    if (this.#stack.length === 0) throw new Error('the pickle takes more than it has');
    return this.#stack[this.#stack.length - 1];
  }

  #marked(): unknown[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw new Error('the pickle takes more than it has');
    return this.#stack.splice(mark);
  }

  #global(module: unknown, name: unknown): unknown {
    if (typeof module !== 'string' || typeof name !== 'string' || module.length + name.length > longestName) {
      throw new Error('expected the name of a global');
    }
    return this.#names.global(module, name) ?? this.#container(new Opaque(`${module}.${name}`));
  }

  #call(callable: unknown, args: unknown): unknown {
    if (!Array.isArray(args)) throw new Error('expected the arguments of a global');
    this.#count(1);
    if (callable instanceof Opaque) return new Opaque(callable.name, args);
    if (typeof callable !== 'function') throw new Error('expected a global and its arguments');
    // What it may copy of them, which files of a few bytes could ask for again and again.
    this.#count(args.length);
    for (const arg of args) this.#count(Array.isArray(arg) ? arg.length : arg instanceof Map ? arg.size : 0);
    return (callable as PickleGlobal)(args);
  }

  #append(items: readonly unknown[]): void {
    const list = this.#peek();
    if (list instanceof Opaque) {
      list.items ??= new Map();
      for (const item of items) list.items.set(list.items.size, item);
    } else if (Array.isArray(list)) for (const item of items) list.push(item);
    else throw new Error("expected a list on top of the pickle's stack");
  }

  #setItems(items: readonly unknown[]): void {
    const dict = this.#peek();
    if (dict instanceof Opaque) dict.items ??= new Map();
    const entries = dict instanceof Opaque ? dict.items : dict;
    if (!(entries instanceof Map)) throw new Error("expected a dict on top of the pickle's stack");
    if (items.length % 2 !== 0) throw new Error('expected a value for every key of a dict');
    for (let i = 0; i < items.length; i += 2) entries.set(items[i], items[i + 1]);
  }

  /** Attributes of dicts and tensors are nothing that is read. */
  #build(state: unknown): void {
    const target = this.#peek();
    if (typeof target !== 'object' || target === null || Array.isArray(target)) {
      throw new Error("expected an object on top of the pickle's stack");
    }
    if (target instanceof Opaque) target.state = state;
  }

  #recall(key: number): unknown {
    if (!this.#memo.has(key)) throw new Error(`the pickle recalls ${key}, which it never kept`);
    return this.#memo.get(key);
  }
}
