import { blank } from './blank/blank.ts';
import { cdarts } from './cdarts/cdarts.ts';
import { darts } from './darts/darts.ts';
import { fairdarts } from './fairdarts/fairdarts.ts';
import type { Method, RunCommand } from './method.ts';
import { magnitude, projection } from './projection/projection.ts';
import { sdarts } from './sdarts/sdarts.ts';
import { stacnas } from './stacnas/stacnas.ts';
import { train } from './train/train.ts';

/** Every method; the first one of a command is its default. */
export const methods: readonly Method[] = [
  darts,
  fairdarts,
  stacnas,
  cdarts,
  sdarts,
  blank,
  train,
  projection,
  magnitude,
];

/** Those of a command. */
export function methodsOf(command: RunCommand, among: readonly Method[]): readonly Method[] {
  return among.filter((method) => method.command === command);
}

/** The method that trains what a search has found. */
export function trainingMethod(among: readonly Method[]): Method {
  return methodsOf('train', among)[0];
}

/** A method's examples as they are typed: `--method` is left out for the default of its command. */
export function exampleLines({ command, name, examples }: Method, among: readonly Method[]): readonly string[] {
  const own = name === methodsOf(command, among)[0].name ? '' : ` --method ${name}`;
  return examples.map((example) => `dartsmith ${command}${own} ${example}`.trimEnd());
}
