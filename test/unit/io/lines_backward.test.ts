import { writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Line, linesBackward } from '../../../src/io/lines_backward.ts';
import { scratch } from '../../helpers/scratch.ts';

async function linesOf(text: string, blockBytes: number, from?: number) {
  const path = join(scratch(), 'lines');
  writeFileSync(path, text);
  const file = await open(path);
  try {
    const lines: Line[] = [];
    for await (const line of linesBackward(file, blockBytes, from)) lines.push(line);
    return lines;
  } finally {
    await file.close();
  }
}

describe('the lines of a file from its end', () => {
  const text = 'one\n\ntwo three\nünf\ntorn';
  const expected = [
    { text: 'ünf', end: 20 },
    { text: 'two three', end: 15 },
    { text: '', end: 5 },
    { text: 'one', end: 4 },
  ];

  // Blocks that end within lines, at their ends and within a character.
  it.each([9, 10, 11, 12, 13, 16, 20, 23, 24, 25, 100])('are the same in blocks of %i bytes', async (blockBytes) => {
    expect(await linesOf(text, blockBytes)).toEqual(expected);
  });

  it('are cut where they are longer than a block, so that a hostile one is never held whole', async () => {
    expect(await linesOf(`${'x'.repeat(50)}end\nb\n`, 5)).toEqual([
      { text: 'b', end: 56 },
      { text: 'xxend', end: 54 },
    ]);
  });

  it.each([
    [0, 4],
    [4, 3],
    [5, 2],
    [15, 1],
    [20, 0],
    [24, 0],
  ])('are those that begin at %i or behind it', async (from, count) => {
    for (const blockBytes of [9, 100]) expect(await linesOf(text, blockBytes, from)).toEqual(expected.slice(0, count));
  });

  it('are without their beginning where that is not to be read', async () => {
    expect(await linesOf(text, 100, 9)).toEqual([expected[0], { text: 'three', end: 15 }]);
  });

  it.each(['', 'torn'])('are none in %j', async (torn) => expect(await linesOf(torn, 8)).toEqual([]));
});
