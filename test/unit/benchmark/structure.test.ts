// Strings, indices and isomorphism of NAS-Bench-201's cells.
import { describe, expect, it } from 'vitest';
import { equalityString, isConnected, isomorphismClasses } from '../../../src/benchmark/isomorphism.ts';
import { formatStructure, parseStructure, type Structure } from '../../../src/benchmark/structure.ts';
import {
  indexOfCell,
  structureAt,
  structureCount,
  structureIndex,
  structureTexts,
} from '../../../src/benchmark/structure_index.ts';

const skips = '|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|';
const first = '|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|';
const all = Array.from({ length: structureCount }, (_, index) => structureAt(index));

describe('structure strings', () => {
  it('are read edge by edge and written again', () => {
    expect(parseStructure(first)).toEqual([
      ...['avg_pool_3x3', 'nor_conv_1x1', 'skip_connect', 'nor_conv_1x1', 'skip_connect', 'skip_connect'],
    ]);
    for (const structure of all) expect(parseStructure(formatStructure(structure))).toEqual(structure);
  });

  it('are read as the published class prints them, with blanks around', () => {
    expect(parseStructure(` Structure(4 nodes with ${first})\n`)).toEqual(parseStructure(first));
  });

  it.each([
    ['', "expected |op~0|+|op~0|op~1|+|op~0|op~1|op~2| for a structure but received ''"],
    ['DARTS_V2', "expected |op~0|+|op~0|op~1|+|op~0|op~1|op~2| for a structure but received 'DARTS_V2'"],
    [`Structure(5 nodes with ${first})`, 'expected 4 nodes for a structure but received 5'],
    [
      first.replace('~0|+', '~0+'),
      "expected edges between '|' for node 1 of a structure but received '|avg_pool_3x3~0'",
    ],
    [
      first.replace('|skip_connect~1|+', '|+'),
      "expected 2 edges for node 2 of a structure but received '|nor_conv_1x1~0|'",
    ],
    [
      skips.replace('~2', '~1'),
      "expected an operation and ~2 for edge 3<-2 of a structure but received 'skip_connect~1'",
    ],
    [
      skips.replace('skip_connect~1', 'skip_conect~1'),
      "expected one of none, skip_connect, nor_conv_1x1, nor_conv_3x3, avg_pool_3x3 for edge 2<-1 of a structure but received 'skip_conect' (Did you mean skip_connect?)",
    ],
  ])('%j is refused where it is wrong', (text, message) => {
    expect(() => parseStructure(text)).toThrow(message);
  });

  it('are not written of what is no structure', () => {
    const wrong = [['none'], [...all[0].slice(1), 'max_pool_3x3'], new Array(6), null] as unknown as Structure[];
    for (const structure of wrong) {
      expect(() => formatStructure(structure)).toThrow('expected a list of 6 operations of NAS-Bench-201 by edge');
    }
  });
});

describe('indices', () => {
  it.each([
    [0, first],
    [1, '|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|'],
    [9, '|avg_pool_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_3x3~2|'],
    [123, '|avg_pool_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|'],
    [1835, skips],
  ])('%d is the cell that the benchmark has there', (index, text) => {
    expect(formatStructure(structureAt(index))).toBe(text);
    expect(indexOfCell(text)).toBe(index);
    expect(indexOfCell(parseStructure(text))).toBe(index);
    expect(indexOfCell(index)).toBe(index);
  });

  it('and cells stand for one another, all 15,625', () => {
    expect(all.map(structureIndex)).toEqual(all.map((_, index) => index));
    expect(new Set(structureTexts()).size).toBe(15_625);
  });

  it.each([-1, 15_625, 0.5, Number.NaN])('%d is none', (index) => {
    const message = 'expected an integer from 0 to 15624 for index';
    expect(() => structureAt(index)).toThrow(message);
    expect(() => indexOfCell(index)).toThrow(message);
  });
});

describe('isomorphic cells', () => {
  it('share a string: 6,466 of them, 12,751 with none as any other operation', () => {
    expect(new Set(all.map((structure) => equalityString(structure))).size).toBe(6466);
    expect(new Set(all.map((structure) => equalityString(structure, { plainNone: true }))).size).toBe(12_751);
  });

  it('are numbered by class', () => {
    const classes = isomorphismClasses();
    expect(new Set(classes).size).toBe(6466);
    expect(equalityString(structureAt(1835))).toBe('0+0+0+0');
    // Node 1 is the input again, so that both edges into node 2 come from there.
    const [one, other] = ['nor_conv_1x1~0|avg_pool_3x3~1', 'avg_pool_3x3~0|nor_conv_1x1~1'].map((node) =>
      indexOfCell(`|skip_connect~0|+|${node}|+|none~0|none~1|nor_conv_3x3~2|`),
    );
    expect(other).not.toBe(one);
    expect(classes[other]).toBe(classes[one]);
  });

  it('hang on their input in 15,284 cases', () => {
    expect(all.filter(isConnected)).toHaveLength(15_284);
  });
});
