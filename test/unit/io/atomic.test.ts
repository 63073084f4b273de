import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type * as FileSystem from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { FileError } from '../../../src/errors.ts';
import { createFileAtomic, removeDrafts, writeFileAtomic } from '../../../src/io/atomic.ts';
import { fileError } from '../../../src/io/file_error.ts';
import { scratch } from '../../helpers/scratch.ts';

const disk = vi.hoisted(() => ({ full: false, folderSync: '', folderOpen: '', link: '' }));

vi.mock('node:fs/promises', async (importOriginal) => {
  const original = await importOriginal<typeof FileSystem>();
  const failing = (code: string, syscall: string) => async () => {
    throw Object.assign(new Error(code), { code, syscall });
  };
  const open: typeof original.open = async (...args) => {
    const isFolder = args[1] === 'r';
    if (isFolder && disk.folderOpen !== '') await failing(disk.folderOpen, 'open')();
    const file = await original.open(...args);
    if (isFolder && disk.folderSync !== '') file.sync = failing(disk.folderSync, 'fsync');
    if (disk.full) {
      file.writeFile = failing('ENOSPC', 'write');
    }
    return file;
  };
  const link: typeof original.link = (...args) =>
    disk.link === '' ? original.link(...args) : failing(disk.link, 'link')();
  return { ...original, open, link };
});

afterEach(() => Object.assign(disk, { full: false, folderSync: '', folderOpen: '', link: '' }));

describe('writeFileAtomic', () => {
  // As shares, FUSE and folders that one may write but not read answer, when the file is in its place already.
  it.each(['EINVAL', 'ENOTSUP', 'EPERM', 'EACCES'])(
    'has written where a folder answers %s to its sync',
    async (code) => {
      const path = join(scratch(), 'a.json');
      for (const call of ['folderSync', 'folderOpen'] as const) {
        disk[call] = code;
        await writeFileAtomic(path, call);
        disk[call] = '';
        expect(readFileSync(path, 'utf8')).toBe(call);
      }
    },
  );

  it('fails where the disk fails while the folder is synced', async () => {
    const path = join(scratch(), 'a.json');
    disk.folderSync = 'EIO';
    await expect(writeFileAtomic(path, '')).rejects.toThrow(`cannot write ${path}: the disk reported an error (EIO)`);
  });

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

  it.each(['', 'EPERM', 'ENOTSUP'])('makes a file once, however many try (links answer %j)', async (code) => {
    const folder = scratch();
    const path = join(folder, 'a.json');
    disk.link = code;
    const made = await Promise.all(['one', 'two', 'three'].map((text) => createFileAtomic(path, text)));
    expect(made.filter((done) => done)).toHaveLength(1);
    expect(readFileSync(path, 'utf8')).toBe(['one', 'two', 'three'][made.indexOf(true)]);
    expect(readdirSync(folder)).toEqual(['a.json']);
    await expect(createFileAtomic(join(folder, 'none', 'x'), '')).rejects.toThrow(/no such file or folder/);
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
