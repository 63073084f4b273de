// Values as errors show them: one short line, whatever the value is.
import { types } from 'node:util';

const mostCharacters = 80;

/** A value in at most 80 characters of one line. Never throws, and calls no getter, toJSON or trap on its way. */
export function describe(value: unknown): string {
  const text = new Text();
  try {
    if (typeof value === 'string') text.add(`'${value.slice(0, mostCharacters)}'`);
    else write(text, value, []);
  } catch {
    return 'a value that cannot be shown';
  }
  return text.value;
}

/** A text with its control characters, line separators and halves of characters escaped. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/gu, (character) => {
    const short = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }[character];
    return short ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** Text that takes no more once it is full. */
class Text {
  #text = '';

  add(part: string): void {
    if (!this.isFull) this.#text += oneLine(part.slice(0, mostCharacters + 2));
  }

  get isFull(): boolean {
    return this.#text.length > mostCharacters;
  }

  get value(): string {
    return this.isFull ? `${this.#text.slice(0, mostCharacters - 3)}...` : this.#text;
  }
}

/** Writes a value as JSON would, where that has a form for it; `around` are the objects that it lies in. */
function write(text: Text, value: unknown, around: readonly object[]): void {
  if (typeof value === 'string') text.add(JSON.stringify(value.slice(0, mostCharacters)));
  else if (typeof value === 'bigint') text.add(`${value < 0 ? '-' : ''}${shortInteger(value)}n`);
  else if (typeof value === 'function') text.add('a function');
  else if (typeof value === 'object' && value !== null) writeObject(text, value, around);
  else text.add(String(value));
}

/** Digits of a magnitude; those of huge ones would take long to find. */
function shortInteger(value: bigint): string {
  const magnitude = value < 0 ? -value : value;
  return magnitude < 10n ** 80n ? String(magnitude) : 'a huge ';
}

function writeObject(text: Text, value: object, around: readonly object[]): void {
  if (types.isProxy(value)) text.add('a Proxy');
  else if (around.includes(value)) text.add('a circular reference');
  else if (ArrayBuffer.isView(value)) text.add(`${viewName(value)} of ${value.byteLength} bytes`);
  else if (Array.isArray(value)) writeList(text, value, [...around, value]);
  else if (isPlain(value)) writeRecord(text, value, [...around, value]);
  else text.add(`an instance of ${className(value)}`);
}

function writeList(text: Text, list: readonly unknown[], around: readonly object[]): void {
  text.add('[');
  for (let i = 0; i < list.length && !text.isFull; i++) {
    if (i > 0) text.add(',');
    writeProperty(text, list, String(i), around);
  }
  text.add(']');
}

function writeRecord(text: Text, record: object, around: readonly object[]): void {
  text.add('{');
  let separator = '';
  for (const key of Object.keys(record)) {
    if (text.isFull) break;
    text.add(`${separator}${JSON.stringify(key.slice(0, mostCharacters))}:`);
    writeProperty(text, record, key, around);
    separator = ',';
  }
  text.add('}');
}

function writeProperty(text: Text, owner: object, key: string, around: readonly object[]): void {
  const property = Object.getOwnPropertyDescriptor(owner, key);
  if (property?.get === undefined) write(text, property?.value, around);
  else text.add('a getter');
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || (!types.isProxy(prototype) && Object.getPrototypeOf(prototype) === null);
}

/** The type of a view, which the view itself cannot change. */
function viewName(view: ArrayBufferView): string {
  return (viewTag?.call(view) as string | undefined) ?? 'DataView';
}

const viewTag = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)?.get;

function className(value: object): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  const name: unknown = types.isProxy(prototype) ? '' : (prototype as object).constructor?.name;
  return typeof name === 'string' && name !== '' ? name : 'a class without a name';
}
