import { darts } from './darts/darts.ts';
import { fairdarts } from './fairdarts/fairdarts.ts';
import type { Method, RunCommand } from './method.ts';
import { train } from './train/train.ts';

/** Every method; the first one of a command is its default. */
export const methods: readonly Method[] = [darts, fairdarts, train];

/** Those of a command. */
export function methodsOf(command: RunCommand, among: readonly Method[]): readonly Method[] {
  return among.filter((method) => method.command === command);
}
