import { ArgumentError } from '../errors.ts';
import { suggestion } from '../suggest.ts';
import { darts } from './darts/darts.ts';
import type { Method, RunCommand } from './method.ts';
import { train } from './train/train.ts';

/** Every method; the first one of a command is its default. */
export const methods: readonly Method[] = [darts, train];

/** Those of a command. */
export function methodsOf(command: RunCommand, among: readonly Method[]): readonly Method[] {
  return among.filter((method) => method.command === command);
}

/** The method of a name, or the default one of a command. Throws ArgumentError. */
export function findMethod(command: RunCommand, name: string | undefined, among: readonly Method[]): Method {
  const known = methodsOf(command, among);
  const found = name === undefined ? known[0] : known.find((method) => method.name === name);
  if (found !== undefined) return found;
  const names = known.map((method) => method.name);
  throw new ArgumentError(
    `expected one of ${names.join(', ')} for method but received '${name}'${suggestion(name ?? '', names)}`,
  );
}
