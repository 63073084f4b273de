// Tar archives: what GNU tar and Python write, and what no archive is.
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listTar, type TarEntry } from '../../../src/io/tar.ts';
import { scratch } from '../../helpers/scratch.ts';

/** What a header may say that is not usual. */
interface Header {
  readonly name?: string;
  readonly prefix?: string;
  readonly type?: string;
  /** Bytes of its field. */
  readonly size?: Buffer;
}

/** A file with its header, padded. */
function file(contents: string, { name = 'a', prefix = '', type = '0', size }: Header = {}): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write(`${contents.length.toString(8).padStart(11, '0')}\0`, 124);
  size?.copy(header, 124);
  header.write(type, 156);
  header.write('ustar', 257);
  header.write(prefix, 345);
  header.fill(0x20, 148, 156);
  header.write(
    `${header
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  );
  return Buffer.concat([header, Buffer.from(contents), Buffer.alloc((512 - (contents.length % 512)) % 512)]);
}

const end = Buffer.alloc(1024);

async function listed(...parts: readonly Buffer[]): Promise<TarEntry[]> {
  const path = join(scratch(), 'a.tar');
  await writeFile(path, Buffer.concat(parts));
  const handle = await open(path);
  try {
    const entries: TarEntry[] = [];
    for await (const entry of listTar(handle)) entries.push(entry);
    return entries;
  } finally {
    await handle.close();
  }
}

describe('tar archives', () => {
  it('list regular files with their places, and pass over all else', async () => {
    const folder = file('', { name: 'folder/', type: '5' });
    const long = file('some long name', { name: '././@LongLink', type: 'L' });
    const parts = [folder, file('one', { name: 'folder/one' }), long, file('x'.repeat(600), { name: 'b', type: '\0' })];
    expect(await listed(...parts, end, Buffer.from('what lies behind the end'))).toEqual([
      { name: 'folder/one', offset: 1024, bytes: 3 },
      { name: 'b', offset: 3072, bytes: 600 },
    ]);
    expect(await listed(file('', { name: 'b', prefix: 'a' }))).toEqual([{ name: 'a/b', offset: 512, bytes: 0 }]);
  });

  it('may write sizes as bytes', async () => {
    const size = Buffer.alloc(12);
    size[0] = 0x80;
    size[11] = 3;
    expect(await listed(file('one', { size }))).toEqual([{ name: 'a', offset: 512, bytes: 3 }]);
  });

  it('are refused where they are damaged, in a line', async () => {
    const damaged = file('one');
    damaged[3] ^= 1;
    await expect(listed(file('one'), damaged)).rejects.toThrow('expected a header of a tar archive at byte 1024');
    await expect(listed(file('one').subarray(0, 514))).rejects.toThrow('the tar archive ends within a');
    await expect(listed(file('one', { name: 'a\nb' }).subarray(0, 512))).rejects.toThrow('ends within a\\nb');
    await expect(listed(file('one').subarray(0, 100))).rejects.toThrow('ends within a header at byte 0');
    const size = Buffer.alloc(12, 0xff);
    size[0] = 0x80;
    await expect(listed(file('one', { size }))).rejects.toThrow('expected a header of a tar archive at byte 0');
    await expect(listed(file('one', { size: Buffer.from('12x        \0') }))).rejects.toThrow('at byte 0');
  });
});
