import { describe, expect, it } from 'vitest';
import { aBoolean, aFunction, anInteger, aSignal, listOfLength } from '../../src/checks.ts';
import { ArgumentError } from '../../src/errors.ts';
import {
  atLeast,
  checkOptionRules,
  type OptionRules,
  record,
  required,
  text,
  word,
  wordOr,
} from '../../src/option_rules.ts';

interface Options {
  readonly folder?: string;
  readonly form: 'svg' | 'png';
  readonly count?: number;
  readonly seconds?: number;
  readonly loud?: boolean;
  readonly settings?: object;
  readonly space?: string | object;
  readonly size?: readonly number[];
  readonly signal?: AbortSignal;
  readonly onProgress?: () => void;
}

const rules: OptionRules<Options> = {
  folder: text('the path of a folder'),
  form: required(word(['svg', 'png'])),
  count: anInteger(1, 9),
  seconds: atLeast(0),
  loud: aBoolean,
  settings: record('an object of settings'),
  space: wordOr(['darts'], 'a space of your own'),
  size: listOfLength(2, anInteger(1), 'two integers'),
  signal: aSignal,
  onProgress: aFunction,
};

const check = (options: unknown) => () => checkOptionRules('paint', options as Options, rules);

describe('options', () => {
  it('may be left out or be what their rule says', () => {
    expect(check({ form: 'png', folder: undefined })).not.toThrow();
    const signal = new AbortController().signal;
    const others = { signal, onProgress: () => {}, settings: {}, size: [1, 2], loud: false, space: {} };
    expect(check({ form: 'svg', folder: 'x', count: 9, seconds: 0.5, ...others })).not.toThrow();
  });

  it.each<[unknown, string]>([
    [null, 'expected an object for the options of paint but received null'],
    ['x', "expected an object for the options of paint but received 'x'"],
    [[], 'expected an object for the options of paint but received []'],
    [{}, 'expected one of svg, png for form but received undefined'],
    [{ form: 'SVG' }, "expected one of svg, png for form but received 'SVG' (Did you mean svg?)"],
    [{ form: null }, 'expected one of svg, png for form but received null'],
    [{ form: 'svg', cuont: 3 }, "unknown option 'cuont' of paint (Did you mean count?)"],
    [
      { form: 'svg', zzz: 3 },
      "unknown option 'zzz' of paint: expected one of folder, form, count, seconds, loud, settings, space, size, signal, onProgress",
    ],
    [{ form: 'svg', folder: '' }, "expected the path of a folder for folder but received ''"],
    [{ form: 'svg', folder: 5 }, 'expected the path of a folder for folder but received 5'],
    [{ form: 'svg', count: '3' }, "expected an integer from 1 to 9 for count but received '3'"],
    [{ form: 'svg', count: 1.5 }, 'expected an integer from 1 to 9 for count but received 1.5'],
    [{ form: 'svg', seconds: Number.NaN }, 'expected a number of at least 0 for seconds but received NaN'],
    [{ form: 'svg', loud: 1 }, 'expected true or false for loud but received 1'],
    [{ form: 'svg', settings: [] }, 'expected an object of settings for settings but received []'],
    [
      { form: 'svg', space: 'dart' },
      "one of darts, or a space of your own for space but received 'dart' (Did you mean darts?)",
    ],
    [{ form: 'svg', space: [] }, 'one of darts, or a space of your own for space but received []'],
    [{ form: 'svg', size: [1] }, 'expected two integers for size but received [1]'],
    [{ form: 'svg', signal: {} }, 'expected an AbortSignal for signal but received {}'],
    [{ form: 'svg', onProgress: 'x' }, "expected a function for onProgress but received 'x'"],
  ])('%j is refused', (options, message) => {
    expect(check(options)).toThrow(ArgumentError);
    expect(check(options)).toThrow(message);
  });
});
