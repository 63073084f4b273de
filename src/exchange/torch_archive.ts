// What torch.save writes: the zip format of PyTorch 1.6 and later, and the legacy one before it.

import { unpickle } from '../io/unpickle.ts';
import { listZip, unpackZip, type ZipEntry } from '../io/zip.ts';
import { torchNames } from './torch_names.ts';
import { legacyMagic, type StorageType } from './torch_types.ts';

/** An object of torch.save and the storages of its tensors. */
export interface TorchArchive {
  readonly value: unknown;
  readonly isBigEndian: boolean;
  /** Of all storages, which bounds what tensors may come to. */
  readonly bytes: number;
  /** The bytes of a storage. Throws Error where there is none. */
  storage(key: string): Uint8Array;
}

/** Weights hardly shrink; what shrinks more than so and is not small is made to fill the memory. */
const largestRatio = 16;
const smallBytes = 2 ** 26;

/** Opens a file of either format. Throws Error. */
export function openTorchArchive(bytes: Uint8Array): TorchArchive {
  if (isZip(bytes)) return openZip(bytes);
  if (startsWith(bytes, legacyMagic)) return openLegacy(bytes);
  throw new Error('expected a safetensors file or one that torch.save wrote');
}

/** Whether a file begins as one of either format. */
export function isTorchArchive(bytes: Uint8Array): boolean {
  return isZip(bytes) || startsWith(bytes, legacyMagic);
}

function isZip(bytes: Uint8Array): boolean {
  return startsWith(bytes, Uint8Array.of(0x50, 0x4b, 3, 4));
}

function openZip(bytes: Uint8Array): TorchArchive {
  const entries = listZip(bytes);
  const unpackedBytes = checkSizes([...entries.values()], bytes.length);
  const pickle = [...entries.keys()].find((name) => /(?:^|\/)data\.pkl$/.test(name));
  if (pickle === undefined) throw new Error('expected data.pkl in the zip archive');
  const folder = pickle.slice(0, -'data.pkl'.length);
  const read = (name: string) => {
    const entry = entries.get(folder + name);
    return entry && unpackZip(bytes, entry);
  };
  const order = read('byteorder');
  const { value } = unpickle(read('data.pkl')!, 0, torchNames(new Map()));
  return {
    value,
    isBigEndian: order !== undefined && new TextDecoder().decode(order).trim() === 'big',
    bytes: unpackedBytes,
    storage: (key) => {
      const stored = read(`data/${key}`);
      if (stored === undefined) throw new Error(`expected the storage data/${key} in the zip archive`);
      return stored;
    },
  };
}

/** Entries may share their bytes, so that sizes are summed. Returns what they unpack to. */
function checkSizes(entries: readonly ZipEntry[], fileBytes: number): number {
  const sum = (sizes: readonly number[]) => sizes.reduce((total, size) => total + size, 0);
  const most = Math.max(smallBytes, largestRatio * fileBytes);
  const unpacked = sum(entries.map((entry) => entry.bytes));
  if (sum(entries.map((entry) => entry.packedBytes)) > fileBytes) {
    throw new Error('expected a zip archive whose entries do not overlap');
  }
  if (unpacked > most) throw new Error(`expected a zip archive of at most ${most} bytes but it unpacks to ${unpacked}`);
  return unpacked;
}

/** Magic number, protocol, what machine wrote it, the object, the keys of its storages; then these, each behind its length. */
function openLegacy(bytes: Uint8Array): TorchArchive {
  const types = new Map<string, StorageType>();
  const names = torchNames(types);
  const protocol = unpickle(bytes, legacyMagic.length, names);
  const system = unpickle(bytes, protocol.end, names);
  const { value, end } = unpickle(bytes, system.end, names);
  const { value: keys, end: begin } = unpickle(bytes, end, names);
  if (!Array.isArray(keys) || !keys.every((key) => typeof key === 'string'))
    throw new Error('expected a list of storages');
  const places = new Map<string, Uint8Array>();
  let at = begin;
  for (const key of keys as string[]) {
    if (at + 8 > bytes.length) throw new Error(`expected the storage ${key} but the file ends`);
    const count = Number(new DataView(bytes.buffer, bytes.byteOffset + at, 8).getBigInt64(0, true));
    const size = count * (types.get(key)?.bytes ?? 1);
    at += 8;
    if (!(count >= 0 && at + size <= bytes.length))
      throw new Error(`expected ${count} elements of storage ${key} but the file ends`);
    places.set(key, bytes.subarray(at, at + size));
    at += size;
  }
  return {
    value,
    // Whatever the machine was, its storages were turned round.
    isBigEndian: false,
    bytes: bytes.length,
    storage: (key) => {
      const stored = places.get(key);
      if (stored === undefined) throw new Error(`expected the storage ${key}`);
      return stored;
    },
  };
}

function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  return start.every((byte, i) => bytes[i] === byte);
}
