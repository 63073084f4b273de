import { appendFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { linesForward } from '../../../src/io/lines_forward.ts';
import { scratch } from '../../helpers/scratch.ts';

async function linesOf(text: string | Buffer, mostBytes = 1 << 20): Promise<string[]> {
  const path = join(scratch(), 'lines');
  writeFileSync(path, text);
  return collect(path, mostBytes);
}

async function collect(path: string, mostBytes: number): Promise<string[]> {
  const lines = [];
  for await (const { bytes } of linesForward(path, mostBytes)) lines.push(bytes.toString());
  return lines;
}

describe('linesForward', () => {
  it('gives every line, those of no bytes and one without an end too', async () => {
    expect(await linesOf('a\n\nbc\nd')).toEqual(['a', '', 'bc', 'd']);
    expect(await linesOf('a\n')).toEqual(['a']);
    expect(await linesOf('')).toEqual([]);
    expect(await linesOf('\n')).toEqual(['']);
  });

  it('joins lines that lie in several blocks', async () => {
    // Blocks have 256 KiB: these lines end before, at and behind their borders.
    const lines = [2 ** 18 - 1, 3, 2 ** 18 - 5, 700_000, 1].map((length, i) => String(i).repeat(length));
    expect(await linesOf(`${lines.join('\n')}\n`)).toEqual(lines);
    expect(await linesOf(lines.join('\n'))).toEqual(lines);
  });

  it('gives nothing of lines that are too long, and goes on behind them', async () => {
    expect(await linesOf('abc\nabcd\nab\nabcdef', 3)).toEqual(['abc', '', 'ab']);
    expect(await linesOf(`a\n${'x'.repeat(600_000)}\nb\n`, 1000)).toEqual(['a', '', 'b']);
  });

  it('tells where the next line begins, and goes on from there', async () => {
    const path = join(scratch(), 'lines');
    writeFileSync(path, 'a\nlonger\nc');
    const told = [];
    for await (const { bytes, next, torn } of linesForward(path, 3, 0)) told.push([bytes.toString(), next, torn]);
    expect(told).toEqual([
      ['a', 2, false],
      ['', 9, false],
      ['c', 10, true],
    ]);
    appendFileSync(path, 'd\n');
    const later = [];
    for await (const { bytes, next } of linesForward(path, 3, 9)) later.push([bytes.toString(), next]);
    expect(later).toEqual([['cd', 12]]);
  });

  it('reads no further than it is told', async () => {
    const path = join(scratch(), 'lines');
    writeFileSync(path, 'ab\ncd\nef\n');
    const told = [];
    for await (const { bytes, torn } of linesForward(path, 3, 3, 7)) told.push([bytes.toString(), torn]);
    expect(told).toEqual([
      ['cd', false],
      ['e', true],
    ]);
  });

  it('holds no line of gigabytes', async () => {
    const path = join(scratch(), 'sparse');
    writeFileSync(path, 'first\n');
    // Sparse, so that it costs no disk.
    truncateSync(path, 128 * 2 ** 20);
    appendFileSync(path, '\nlast\n');
    const before = process.memoryUsage().rss;
    expect(await collect(path, 1 << 20)).toEqual(['first', '', 'last']);
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 2 ** 20);
  });
});
