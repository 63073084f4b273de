// The pickles that torch.save writes (protocol 2 and the newer codes of protocol 4), read without running anything. Our own
// reader: the npm packages of this kind set properties on any object that a file names, which a hostile file can make abort the
// process (a list's length) or get past checks.
import { Buffer } from 'node:buffer';

/** Something that a pickle may call; it is given the arguments as they are, never spread. */
export type PickleGlobal = (args: readonly unknown[]) => unknown;

/** Where a pickle's names lead. */
export interface PickleNames {
  /** A global by module and name. Throws for one that is refused. */
  global(module: string, name: string): PickleGlobal;
  /** What a persistent identifier stands for. Throws for one that is refused. */
  persistent(id: unknown): unknown;
}

/** Containers that a pickle may make; a checkpoint of thousands of tensors has some ten thousand. */
const mostContainers = 2 ** 20;
const mostProtocol = 5;

/** Reads one pickle from `start` on; dicts are Maps, tuples and lists are arrays. Throws Error for what torch.save does not write. */
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
  #containers = 0;
  position: number;

  constructor(bytes: Uint8Array, start: number, names: PickleNames) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#names = names;
    this.position = start;
  }

  read(): unknown {
    for (;;) {
      const opcode = this.#integer(1);
      if (opcode === 0x2e) return this.#pop();
      this.#run(opcode);
    }
  }

  /** What it returns means nothing. */
  #run(opcode: number): unknown {
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
        return this.#push(this.#long());
      case 0x47: // BINFLOAT
        return this.#push(this.#take(8).readDoubleBE());
      case 0x58: // BINUNICODE
      case 0x54: // BINSTRING
        return this.#push(this.#take(this.#integer(4)).toString('utf8'));
      case 0x8c: // SHORT_BINUNICODE
      case 0x55: // SHORT_BINSTRING
        return this.#push(this.#take(this.#integer(1)).toString('utf8'));
      case 0x29: // EMPTY_TUPLE
      case 0x5d: // EMPTY_LIST
        return this.#push(this.#container([]));
      case 0x74: // TUPLE
        return this.#push(this.#container(this.#marked()));
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return this.#push(this.#container(Array.from({ length: opcode - 0x84 }, () => this.#pop()).reverse()));
      case 0x61: // APPEND
        return this.#append([this.#pop()]);
      case 0x65: // APPENDS
        return this.#append(this.#marked());
      case 0x7d: // EMPTY_DICT
        return this.#push(this.#container(new Map()));
      case 0x73: // SETITEM
        return this.#setItems([this.#pop(), this.#pop()].reverse());
      case 0x75: // SETITEMS
        return this.#setItems(this.#marked());
      case 0x63: // GLOBAL
        return this.#push(this.#names.global(this.#line(), this.#line()));
      case 0x93: {
        const [name, module] = [this.#pop(), this.#pop()]; // STACK_GLOBAL
        return this.#push(this.#names.global(String(module), String(name)));
      }
      case 0x52: // REDUCE
        return this.#reduce();
      case 0x51: // BINPERSID
        return this.#push(this.#names.persistent(this.#pop()));
      case 0x62: // BUILD: torch.save gives dicts attributes of their own, which nobody reads
        this.#pop();
        this.#top(Map, 'a dict');
        return;
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
      default:
        throw new Error(`refused the pickle's opcode 0x${opcode.toString(16)}: torch.save does not write it`);
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

  #long(): number {
    const length = this.#integer(1);
    if (length > 8) throw new Error('expected an integer of at most 8 bytes');
    const bytes = this.#take(length);
    const value =
      length === 0 ? 0n : BigInt.asIntN(8 * length, BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`));
    if (!Number.isSafeInteger(Number(value))) throw new Error('expected an integer below 2^53');
    return Number(value);
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
    if (++this.#containers > mostContainers)
      throw new Error(`expected at most ${mostContainers} containers in a pickle`);
    return container;
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

  #top<T>(type: abstract new (...args: never[]) => T, what: string): T {
    const top = this.#peek();
    if (!(top instanceof type)) throw new Error(`expected ${what} on top of the pickle's stack`);
    return top;
  }

  #append(items: readonly unknown[]): void {
    const list = this.#top(Array<unknown>, 'a list');
    for (const item of items) list.push(item);
  }

  #setItems(items: readonly unknown[]): void {
    const dict = this.#top(Map<unknown, unknown>, 'a dict');
    if (items.length % 2 !== 0) throw new Error('expected a value for every key of a dict');
    for (let i = 0; i < items.length; i += 2) dict.set(items[i], items[i + 1]);
  }

  #reduce(): void {
    const [args, callable] = [this.#pop(), this.#pop()];
    if (typeof callable !== 'function' || !Array.isArray(args)) throw new Error('expected a global and its arguments');
    this.#push((callable as PickleGlobal)(args));
  }

  #recall(key: number): unknown {
    if (!this.#memo.has(key)) throw new Error(`the pickle recalls ${key}, which it never kept`);
    return this.#memo.get(key);
  }
}
