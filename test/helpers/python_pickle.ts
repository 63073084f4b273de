// Pickles of protocol 2 as Python 2 and PyTorch 0.3 wrote them, put together by hand: characters are bytes.
import { Buffer } from 'node:buffer';
import { legacyMagic } from '../../src/exchange/torch_types.ts';

const bytes = (...values: number[]) => String.fromCharCode(...values);

export const none = 'N';
export const yes = '\x88';

export function word(value: string): string {
  return value.length < 256 ? `U${bytes(value.length)}${value}` : `T${littleEndian(value.length, 4)}${value}`;
}

/** What Python 2 has for most sizes. */
export function long(value: number): string {
  return `\x8a${bytes(5)}${littleEndian(value, 5)}`;
}

export function float(value: number): string {
  const buffer = Buffer.alloc(8);
  buffer.writeDoubleBE(value);
  return `G${buffer.toString('latin1')}`;
}

export function tuple(...items: readonly string[]): string {
  return `(${items.join('')}t`;
}

export function list(...items: readonly string[]): string {
  return `](${items.join('')}e`;
}

export function dict(entries: Readonly<Record<string, string>>): string {
  return `}(${pairs(entries).flat().join('')}u`;
}

export function global(module: string, name: string): string {
  return `c${module}\n${name}\n`;
}

export function call(module: string, name: string, ...args: readonly string[]): string {
  return `${global(module, name)}${tuple(...args)}R`;
}

/** A list of lists of two, as Python 2 reduces it. */
export function ordered(entries: Readonly<Record<string, string>> = {}): string {
  return call('collections', 'OrderedDict', list(...pairs(entries).map((pair) => list(...pair))));
}

/** An object of a class of modules, whose source the file has too. */
export function record(module: string, name: string, attributes: Readonly<Record<string, string>>): string {
  const source = `class ${name}(nn.Module):\n  def forward(self): pass\n`;
  const stored = tuple(word('module'), global(module, name), word(`${module}.py`), word(source));
  return `${stored}Q)\x81${dict(attributes)}b`;
}

/** A tensor that is all of its storage, on a GPU. */
export function tensor(key: string, shape: readonly number[]): string {
  const count = (sizes: readonly number[]) => sizes.reduce((product, size) => product * size, 1);
  const strides = shape.map((_, axis) => count(shape.slice(axis + 1)));
  const storage = global('torch.cuda', 'FloatStorage');
  const stored = tuple(word('storage'), storage, word(key), word('cuda:0'), long(count(shape)), none);
  const sizes = [shape, strides].map((values) => tuple(...values.map(long)));
  return call('torch._utils', '_rebuild_tensor', `${stored}Q`, long(0), ...sizes);
}

/** One, with its flags. */
export function parameter(key: string, shape: readonly number[]): string {
  return `${global('torch.nn.parameter', 'Parameter')}${tuple(tensor(key, shape))}\x81${tuple(yes, yes, ordered())}b`;
}

/** A file of the legacy format: an object, and those of the storages that its tensors name. */
export function legacyFile(object: string, storages: Readonly<Record<string, readonly number[]>>): Uint8Array {
  const pickle = (value: string) => Buffer.from(`\x80\x02${value}.`, 'latin1');
  const used = Object.entries(storages).filter(([key]) => object.includes(word(key) + word('cuda:0')));
  const floats = used.map(([, values]) =>
    Buffer.concat([
      Buffer.from(littleEndian(values.length, 8), 'latin1'),
      Buffer.from(Float32Array.from(values).buffer),
    ]),
  );
  const keys = list(...used.map(([key]) => word(key)));
  return Uint8Array.from(
    Buffer.concat([legacyMagic, pickle(long(1001)), pickle('}'), pickle(object), pickle(keys), ...floats]),
  );
}

function pairs(entries: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(entries).map(([key, value]) => [word(key), value]);
}

function littleEndian(value: number, length: number): string {
  return bytes(...Array.from({ length }, (_, i) => Math.floor(value / 256 ** i) % 256));
}
