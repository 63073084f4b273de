import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/errors.ts';
import { presets, resolveSettings, type SearchSettings, settingRules } from '../../../src/methods/darts/settings.ts';
import { describeRule, isAllowed } from '../../../src/setting_rules.ts';

const names = Object.keys(settingRules) as (keyof SearchSettings)[];

describe('rules', () => {
  it('stand for every setting, and allow what the presets hold', () => {
    for (const { settings } of Object.values(presets)) {
      expect(Object.keys(settings)).toEqual(names);
      for (const name of names) expect(isAllowed(settingRules[name], settings[name]), name).toBe(true);
    }
  });

  it.each(names)('%s includes its bounds and nothing beyond', (name) => {
    const rule = settingRules[name];
    if (rule.kind === 'flag') {
      expect([true, false, 0, 'on', undefined].map((value) => isAllowed(rule, value))).toEqual([
        true,
        true,
        false,
        false,
        false,
      ]);
      return;
    }
    if (rule.kind === 'choice') {
      for (const word of rule.words) expect(isAllowed(rule, word)).toBe(true);
      for (const value of ['', 'fp64', 16, true, undefined]) expect(isAllowed(rule, value)).toBe(false);
      return;
    }
    for (const value of [rule.low, rule.high]) expect(isAllowed(rule, value)).toBe(true);
    for (const value of [rule.low - 1, rule.high * 2, Number.NaN, Number.POSITIVE_INFINITY, '1', true]) {
      expect(isAllowed(rule, value)).toBe(false);
    }
    expect(isAllowed(rule, rule.low + 0.005)).toBe(rule.kind === 'number');
  });

  it('are told in words, without an upper bound that nobody meets', () => {
    expect(describeRule(settingRules.batchSize)).toBe('an integer from 1 to 65536');
    expect(describeRule(settingRules.epochs)).toBe('an integer of at least 1');
    expect(describeRule(settingRules.momentum)).toBe('a number from 0 to 1');
    expect(describeRule(settingRules.cutout)).toBe('true or false');
    expect(describeRule(settingRules.precision)).toBe('one of fp32, tf32, bf16');
  });
});

describe('resolveSettings', () => {
  it('replaces what was given, and leaves the preset alone', () => {
    const settings = resolveSettings('paper', { epochs: 7, unrolled: true, momentum: undefined });
    expect(settings).toEqual({ ...presets.paper.settings, epochs: 7, unrolled: true });
    expect(resolveSettings('paper')).toEqual(presets.paper.settings);
  });

  it.each<[object, string]>([
    [{ layers: 0 }, 'expected an integer from 1 to 256 for layers but received 0'],
    [{ unrolled: 1 }, 'expected true or false for unrolled but received 1'],
    [{ colour: 1 }, "but received 'colour'"],
    [{ toString: 1 }, "but received 'toString'"],
  ])('refuses %j', (overrides, message) => {
    expect(() => resolveSettings('quick', overrides)).toThrow(ArgumentError);
    expect(() => resolveSettings('quick', overrides)).toThrow(message);
  });

  it('refuses a preset that there is not', () => {
    expect(() => resolveSettings('slow' as 'quick')).toThrow('one of quick, paper');
  });
});
