// Small data files in the real layouts, written independently of the code under test.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { DartsmithError } from '../../../src/errors.ts';

const folders: string[] = [];

/** An empty temporary folder, removed when the test file ends. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'dartsmith-data-'));
  folders.push(folder);
  return folder;
}

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A temporary folder that holds the given files. */
export function folderOf(files: Readonly<Record<string, Uint8Array | string>>): string {
  const folder = scratchFolder();
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}

/** Big-endian 32-bit header fields followed by bytes. */
export function idxFile(fields: readonly number[], body: ArrayLike<number>): Buffer {
  const head = Buffer.alloc(4 * fields.length);
  for (const [i, field] of fields.entries()) head.writeUInt32BE(field, 4 * i);
  return Buffer.concat([head, Uint8Array.from(body)]);
}

/** An arbitrary byte that differs from place to place. */
export function byteAt(i: number): number {
  return (i * 37 + (i >> 8) * 11 + 5) & 0xff;
}

export function idxImages(count: number, height: number, width: number): Buffer {
  const pixels = Array.from({ length: count * height * width }, (_, i) => byteAt(i));
  return idxFile([0x803, count, height, width], pixels);
}

export function idxLabels(labels: readonly number[]): Buffer {
  return idxFile([0x801, labels.length], labels);
}

/** The four files of a small IDX set: six training and three test images of 4x5, labels below 4. */
export function idxSet(): Record<string, Buffer> {
  return {
    'train-images-idx3-ubyte': idxImages(6, 4, 5),
    'train-labels-idx1-ubyte': idxLabels([0, 3, 1, 2, 1, 0]),
    't10k-images-idx3-ubyte': idxImages(3, 4, 5),
    't10k-labels-idx1-ubyte': idxLabels([2, 0, 1]),
  };
}

/** Records of label bytes and 3072 pixels; pixel i of record r is `byteAt(3072·r + i)`. */
export function cifarFile(records: readonly (readonly number[])[]): Buffer {
  return Buffer.concat(
    records.map((labels, r) =>
      Uint8Array.from([...labels, ...Array.from({ length: 3072 }, (_, i) => byteAt(3072 * r + i))]),
    ),
  );
}

/** The error a promise rejects with, which must be one of the library's and read as one line. */
export async function failure(promise: Promise<unknown>): Promise<DartsmithError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DartsmithError);
  expect((error as DartsmithError).message).not.toContain('\n');
  return error as DartsmithError;
}
