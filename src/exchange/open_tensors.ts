import { readFile } from 'node:fs/promises';
import { fileError } from '../io/file_error.ts';
import { decodeSafetensors } from '../io/safetensors.ts';
import type { TensorSource } from './tensor_source.ts';
import { readTorchFile } from './torch_read.ts';

/** A file of tensors that is open. */
export interface TensorFile {
  readonly format: 'safetensors' | 'torch';
  readonly metadata: Readonly<Record<string, string>>;
  readonly source: TensorSource;
}

/** Opens a safetensors file or one of PyTorch, told apart by their first bytes. Throws FileError. */
export async function openTensors(path: string): Promise<TensorFile> {
  return tensorsOf(await readBytes(path), path);
}

/** All of a file. Throws FileError. */
export async function readBytes(path: string): Promise<Buffer> {
  return await readFile(path).catch((error: unknown) => {
    throw fileError('read', path, error);
  });
}

/** The same of a file that was read. */
export function tensorsOf(bytes: Uint8Array, path: string): TensorFile {
  if (!isSafetensors(bytes)) {
    const { metadata, ...source } = readTorchFile(bytes, path);
    return { format: 'torch', metadata, source };
  }
  const { metadata, tensors } = decodeSafetensors(bytes, path);
  const read = (paths: readonly string[]) => new Map(paths.map((name) => [name, tensors.get(name)!] as const));
  return { format: 'safetensors', metadata, source: { paths: [...tensors.keys()], root: '', read } };
}

/** Whether bytes begin as a safetensors file does: a length of eight bytes, then the JSON header. */
export function isSafetensors(bytes: Uint8Array): boolean {
  return bytes.length > 8 && bytes[8] === 0x7b && bytes[6] === 0 && bytes[7] === 0;
}
