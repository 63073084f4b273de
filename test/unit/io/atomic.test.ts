import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type * as FileSystem from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { FileError } from '../../../src/errors.ts';
import { removeDrafts, writeFileAtomic } from '../../../src/io/atomic.ts';
import { fileError } from '../../../src/io/file_error.ts';
import { scratch } from '../../helpers/scratch.ts';

const disk = vi.hoisted(() => ({ full: false }));

vi.mock('node:fs/promises', async (importOriginal) => {
  const original = await importOriginal<typeof FileSystem>();
  const open: typeof original.open = async (...args) => {
    const file = await original.open(...args);
    if (disk.full) {
      file.writeFile = async () => {
        throw Object.assign(new Error('no space'), { code: 'ENOSPC', syscall: 'write' });
      };
    }
    return file;
  };
  return { ...original, open };
});

describe('writeFileAtomic', () => {
  it('writes a new file, replaces an old one and leaves nothing else', async () => {
    const folder = scratch();
    const path = join(folder, 'a.json');
    await writeFileAtomic(path, 'one');
    await writeFileAtomic(path, Uint8Array.of(116, 119, 111));
    expect(readFileSync(path, 'utf8')).toBe('two');
    expect(readdirSync(folder)).toEqual(['a.json']);
  });

  it('keeps the old file and no temporary one when the disk is full', async () => {
    const folder = scratch();
    const path = join(folder, 'a.json');
    await writeFileAtomic(path, 'old');
    disk.full = true;
    const failure = await writeFileAtomic(path, 'new').catch((error: unknown) => error);
    disk.full = false;
    expect(failure).toBeInstanceOf(FileError);
    expect((failure as FileError).message).toBe(
      `cannot write ${path}: the disk is full; free some space and try again (ENOSPC)`,
    );
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(folder)).toEqual(['a.json']);
  });

  it('says what is in the way', async () => {
    const folder = scratch();
    writeFileSync(join(folder, 'file'), '');
    mkdirSync(join(folder, 'taken'));
    await expect(writeFileAtomic(join(folder, 'file', 'x'), '')).rejects.toThrow(/a part of the path is a file/);
    await expect(writeFileAtomic(join(folder, 'none', 'x'), '')).rejects.toThrow(/no such file or folder/);
    await expect(writeFileAtomic(join(folder, 'taken'), '')).rejects.toThrow(/it is a folder/);
    expect(readdirSync(folder)).toEqual(['file', 'taken']);
  });

  it('tells read-only file systems and missing permission apart', () => {
    const failure = (code: string) => fileError('write', 'x', Object.assign(new Error(), { code, syscall: 'open' }));
    expect(failure('EROFS').message).toMatch(/read-only; choose another folder/);
    expect(failure('EACCES').message).toMatch(/permission denied/);
    const own = new FileError('already clear');
    expect(fileError('write', 'x', own)).toBe(own);
  });

  it('sweeps what killed writers left, and nothing else', async () => {
    const folder = scratch();
    writeFileSync(join(folder, '.a.json.01234567-89ab-cdef-0123-456789abcdef.tmp'), '');
    writeFileSync(join(folder, 'mine.tmp'), '');
    await removeDrafts(folder);
    expect(readdirSync(folder)).toEqual(['mine.tmp']);
  });
});
