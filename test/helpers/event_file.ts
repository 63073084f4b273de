// TensorBoard's event files read by their formats' descriptions alone: TFRecord frames, the wire format of protocol buffers, and the
// numbers of the fields. Nothing is shared with src, which this is to find fault with.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A value of a summary; those of other kinds are undefined. */
export interface ReadValue {
  readonly tag: string;
  readonly scalar?: number;
  readonly histogram?: {
    readonly min: number;
    readonly max: number;
    readonly num: number;
    readonly sum: number;
    readonly sumSquares: number;
    readonly limits: readonly number[];
    readonly counts: readonly number[];
  };
  readonly image?: { readonly height: number; readonly width: number; readonly png: Buffer };
  readonly text?: string;
  readonly plugin?: string;
}

/** An event. */
export interface ReadEvent {
  readonly seconds: number;
  readonly step: number;
  readonly version?: string;
  /** 1 for START. */
  readonly session?: number;
  readonly values: readonly ReadValue[];
}

/** The events of a file. Throws for a checksum or a length that is wrong; `torn` lets the last record be cut. */
export function readEventFile(path: string, torn = false): ReadEvent[] {
  return readFrames(readFileSync(path), torn).map(readEvent);
}

/** The event files of a folder in the order in which TensorBoard reads them. */
export function eventFilesIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.includes('tfevents'))
    .sort()
    .map((name) => join(folder, name));
}

/** What TensorBoard shows of a folder: a session that starts takes back what earlier files tell from its step on. */
export function shownIn(folder: string, torn = false): ReadEvent[] {
  let shown: ReadEvent[] = [];
  for (const path of eventFilesIn(folder)) {
    for (const event of readEventFile(path, torn)) {
      if (event.session === 1) shown = shown.filter(({ step }) => step < event.step);
      shown.push(event);
    }
  }
  return shown;
}

/** The scalars of events as [tag, step, value]. */
export function scalarsOf(events: readonly ReadEvent[]): [tag: string, step: number, value: number][] {
  return events.flatMap(({ step, values }) =>
    values.flatMap(({ tag, scalar }): [string, number, number][] =>
      scalar === undefined ? [] : [[tag, step, scalar]],
    ),
  );
}

/** The records of TFRecord frames. */
export function readFrames(bytes: Buffer, torn = false): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (torn && at + 12 > bytes.length) break;
    const length = Number(bytes.readBigUInt64LE(at));
    if (bytes.readUInt32LE(at + 8) !== maskedCrc(bytes.subarray(at, at + 8))) throw new Error(`length at ${at}`);
    if (torn && at + 16 + length > bytes.length) break;
    const record = bytes.subarray(at + 12, at + 12 + length);
    if (bytes.readUInt32LE(at + 12 + length) !== maskedCrc(record)) throw new Error(`record at ${at}`);
    records.push(record);
    at += 16 + length;
  }
  return records;
}

/** CRC-32C bit by bit: slow, and from the polynomial alone. */
export function bitwiseCrc(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0x82f63b78 : 0);
  }
  return ~value >>> 0;
}

function maskedCrc(bytes: Uint8Array): number {
  const value = BigInt(bitwiseCrc(bytes));
  return Number((((value >> 15n) | ((value << 17n) & 0xffffffffn)) + 0xa282ead8n) & 0xffffffffn);
}

/** The fields of a message by number: integers, eight bytes, four bytes or more of them. */
type Fields = Map<number, (bigint | Buffer)[]>;

function readMessage(bytes: Buffer): Fields {
  const fields: Fields = new Map();
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  const take = (length: number) => {
    if (at + length > bytes.length) throw new Error('a field is longer than its message');
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const key = Number(varint());
    const kind = key & 7;
    const value =
      kind === 0 ? varint() : kind === 1 ? take(8) : kind === 5 ? take(4) : kind === 2 ? take(Number(varint())) : 0n;
    if (![0, 1, 2, 5].includes(kind)) throw new Error(`wire type ${kind}`);
    fields.set(key >> 3, [...(fields.get(key >> 3) ?? []), value]);
  }
  return fields;
}

const first = (fields: Fields, number: number) => fields.get(number)?.[0];
const message = (fields: Fields, number: number) => {
  const found = first(fields, number) as Buffer | undefined;
  return found && readMessage(found);
};
const double = (fields: Fields, number: number) => (first(fields, number) as Buffer | undefined)?.readDoubleLE() ?? 0;
const integer = (fields: Fields, number: number) => Number(first(fields, number) ?? 0n);
const text = (fields: Fields, number: number) => (first(fields, number) as Buffer | undefined)?.toString();

function doubles(fields: Fields, number: number): number[] {
  return (fields.get(number) ?? []).flatMap((part) =>
    Array.from({ length: (part as Buffer).length / 8 }, (_, i) => (part as Buffer).readDoubleLE(8 * i)),
  );
}

function readEvent(bytes: Buffer): ReadEvent {
  const fields = readMessage(bytes);
  const summary = message(fields, 5);
  const session = message(fields, 7);
  const version = text(fields, 3);
  return {
    seconds: double(fields, 1),
    step: integer(fields, 2),
    ...(version !== undefined && { version }),
    ...(session && { session: integer(session, 1) }),
    values: (summary?.get(1) ?? []).map((value) => readValue(readMessage(value as Buffer))),
  };
}

function readValue(fields: Fields): ReadValue {
  const scalar = (first(fields, 2) as Buffer | undefined)?.readFloatLE();
  const image = message(fields, 4);
  const histo = message(fields, 5);
  const tensor = message(fields, 8);
  const plugin = message(fields, 9) && message(message(fields, 9)!, 1);
  const told = tensor && text(tensor, 8);
  return {
    tag: text(fields, 1) ?? '',
    ...(scalar !== undefined && { scalar }),
    ...(image && { image: { height: integer(image, 1), width: integer(image, 2), png: first(image, 4) as Buffer } }),
    ...(histo && {
      histogram: {
        ...{ min: double(histo, 1), max: double(histo, 2), num: double(histo, 3) },
        ...{ sum: double(histo, 4), sumSquares: double(histo, 5) },
        ...{ limits: doubles(histo, 6), counts: doubles(histo, 7) },
      },
    }),
    ...(told !== undefined && { text: told }),
    ...(plugin && { plugin: text(plugin, 1) }),
  };
}
