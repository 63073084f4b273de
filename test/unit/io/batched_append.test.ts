import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { BatchedAppend } from '../../../src/io/batched_append.ts';
import { scratch } from '../../helpers/scratch.ts';

it('writes every piece in order, in few writes', async () => {
  const path = join(scratch(), 'file');
  const file = await open(path, 'a');
  let writes = 0;
  const batched = new BatchedAppend({
    appendFile: (bytes: Uint8Array) => {
      writes++;
      return file.appendFile(bytes);
    },
  } as never);
  const pieces = Array.from({ length: 3000 }, (_, i) => Buffer.alloc(1000, i & 255));
  for (const piece of pieces) await batched.append(piece);
  await batched.flush();
  await batched.flush();
  await file.close();
  expect(readFileSync(path).equals(Buffer.concat(pieces))).toBe(true);
  expect(writes).toBe(3);
});

it('passes on what the disk throws', async () => {
  const batched = new BatchedAppend({ appendFile: async () => Promise.reject(new Error('full')) } as never);
  await batched.append(Buffer.alloc(10));
  await expect(batched.flush()).rejects.toThrow('full');
});
