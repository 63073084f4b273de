// dartsmith protocol as a user types it wrongly.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { dartsmith } from '../../helpers/command_line.ts';
import { scratch } from '../../helpers/scratch.ts';

const protocol = (...args: readonly string[]) => dartsmith('protocol', ...args);

describe('dartsmith protocol', () => {
  it.each<[readonly string[], RegExp]>([
    [[], /expected --seeds/],
    [['--seeds', '0'], /an integer of at least 1/],
    [['--seeds', '2', '--method', 'dart'], /Did you mean darts/],
    [['--seeds', '2', '--pick-among', '2'], /--pick-among is of --pick-best-by validation/],
    [['--seeds', '3', '--pick-best-by', 'validation', '--pick-among', '2'], /3 seeds can be divided by/],
    [['--seeds', '2', '--pick-best-by', 'test'], /expected/],
    [['--seeds', '2', '--columns', 'cifar10_test'], /--columns is of --benchmark/],
    [['--seeds', '2', '--columns', 'cifar10'], /--columns/],
    [['--seeds', '2', '--select-preset', 'quick'], /expected --by beside it/],
    [['--seeds', '2', '--then', 'search'], /in --then: expected train/],
    [['--seeds', '2', '--pick-best-by', 'validation', '--brief', 'train --epoch 3'], /in --brief: unknown option/],
    [['--seeds', '2', '--train-preset', 'quick', '--then', 'train --preset quick'], /expected one of them/],
    [['--seeds', '2', '--arm', 'fair'], /NAME=OPTIONS/],
    [['--resume', 'nowhere', '--seeds', '2'], /leave out --seeds/],
    [['--resume', 'nowhere', '--no-baseline'], /leave out --no-baseline/],
  ])('refuses %j in one line, and leaves nothing behind', async (args, message) => {
    const out = join(scratch(), 'protocol');
    const { code, stdout, stderr } = await protocol(...args, ...(args.includes('--resume') ? [] : ['--out', out]));
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(existsSync(out)).toBe(false);
  });

  it.each(['darts', 'fairdarts', 'stacnas', 'cdarts', 'sdarts', 'blank', 'darts-rnn', 'projection'])(
    'has the settings of %s, or of the search that it goes on with',
    async (method) => {
      const { code, stdout } = await protocol('--method', method, '--help');
      expect(code).toBe(0);
      expect(stdout).toContain('--epochs <number>');
    },
  );
});
