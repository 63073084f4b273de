import { ArgumentError } from '../errors.ts';
import { operations } from '../operation/operations.ts';

/** Throws ArgumentError where one of a run's operations is a space's own, which no file can hold; `lost` says what cannot be done then. */
export function checkKnownOperations(names: readonly string[], directory: string, lost: string): void {
  const strange = names.find((name) => !Object.hasOwn(operations, name));
  if (strange === undefined) return;
  throw new ArgumentError(`the operation ${strange} of ${directory} is no known one: ${lost}`);
}
