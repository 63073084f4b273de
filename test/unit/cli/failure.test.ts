import { Command, CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { endingOf } from '../../../src/cli/failure.ts';
import {
  AbortedError,
  ArgumentError,
  BackendError,
  DataError,
  DivergedError,
  FileError,
  invalid,
} from '../../../src/errors.ts';

function commanderEnding(...args: string[]) {
  const command = new Command('dartsmith').exitOverride().configureOutput({ writeOut: () => {}, writeErr: () => {} });
  command
    .command('search')
    .option('--epochs <n>')
    .action(() => {});
  command.command('draw <genotype>').action(() => {});
  try {
    command.version('1.2.3').parse(args, { from: 'user' });
  } catch (error) {
    expect(error).toBeInstanceOf(CommanderError);
    return endingOf(error);
  }
  throw new Error('nothing was refused');
}

describe('exit codes', () => {
  it('is 2 for what the user gave wrongly', () => {
    expect(endingOf(invalid('--epochs', 'an integer', 'x'))).toEqual({
      exitCode: 2,
      line: "expected an integer for --epochs but received 'x'",
    });
    expect(endingOf(new ArgumentError('no')).exitCode).toBe(2);
  });

  it('is 130 for an interruption', () => expect(endingOf(new AbortedError()).exitCode).toBe(130));

  it.each([new DataError('a'), new FileError('b'), new BackendError('c'), new DivergedError('d', 1, 2)])(
    'is 1 for $name',
    (error) => expect(endingOf(error)).toEqual({ exitCode: 1, line: error.message }),
  );

  it('is 1 for a fault of ours, which says so', () => {
    const ending = endingOf(new TypeError('x is not a function'));
    expect(ending.exitCode).toBe(1);
    expect(ending.line).toMatch(/^unexpected TypeError: x is not a function \(DARTSMITH_DEBUG=1/);
    expect(endingOf('text').line).toContain('unexpected text');
  });

  it('is 0 for help and version', () => {
    expect(commanderEnding('--help')).toEqual({ exitCode: 0 });
    expect(commanderEnding('search', '--help')).toEqual({ exitCode: 0 });
    expect(commanderEnding('--version')).toEqual({ exitCode: 0 });
  });

  it('is 2 for what commander refuses, with its suggestion on the same line', () => {
    expect(commanderEnding('serch')).toEqual({ exitCode: 2, line: "unknown command 'serch' (Did you mean search?)" });
    expect(commanderEnding('search', '--epoch', '3').line).toBe("unknown option '--epoch' (Did you mean --epochs?)");
    expect(commanderEnding('search', '--zzz').line).toBe("unknown option '--zzz' (see dartsmith --help)");
    expect(commanderEnding('search', '--epochs').line).toContain("option '--epochs <n>' argument missing");
    expect(commanderEnding('draw').line).toContain("missing required argument 'genotype'");
    expect(commanderEnding()).toEqual({ exitCode: 2 });
  });
});

describe('one line', () => {
  it('folds line ends and shows control characters', () => {
    expect(endingOf(new FileError('cannot read a\nb\x1b[31m\x07')).line).toBe('cannot read a b\\x1b[31m\\x07');
  });
});
