import type { DataKind } from '../data/run_data.ts';
import { blank } from './blank/blank.ts';
import { cdarts } from './cdarts/cdarts.ts';
import { darts } from './darts/darts.ts';
import { dartsRnn } from './darts_rnn/darts_rnn.ts';
import { fairdarts } from './fairdarts/fairdarts.ts';
import type { Method, RunCommand } from './method.ts';
import { magnitude, projection } from './projection/projection.ts';
import { sdarts } from './sdarts/sdarts.ts';
import { stacnas } from './stacnas/stacnas.ts';
import { train } from './train/train.ts';
import { trainRnn } from './train_rnn/train_rnn.ts';

/** Every method; the first one of a command is its default. */
export const methods: readonly Method[] = [
  darts,
  fairdarts,
  stacnas,
  cdarts,
  sdarts,
  blank,
  dartsRnn,
  train,
  trainRnn,
  projection,
  magnitude,
];

/** Those of a command. */
export function methodsOf(command: RunCommand, among: readonly Method[]): readonly Method[] {
  return among.filter((method) => method.command === command);
}

/** The method that trains what a search has found in data of a kind; of images unless told. */
export function trainingMethod(among: readonly Method[], data: DataKind = 'images'): Method {
  return methodsOf('train', among).find((method) => method.data === data) ?? methodsOf('train', among)[0];
}

/** What tells which method is meant where none is named. */
export interface MethodHints {
  readonly method?: unknown;
  readonly space?: unknown;
  readonly preset?: unknown;
  /** Of the data or the genotype. */
  readonly data?: DataKind;
}

/** The method of a command that is named, or else the first that has what is asked for: the space, the preset, the kind of data. */
export function meantMethod(command: RunCommand, hints: MethodHints, among: readonly Method[]): Method {
  const known = methodsOf(command, among);
  const named = known.find(({ name }) => name === hints.method);
  if (named !== undefined) return named;
  const tests: ((method: Method) => boolean)[] = [
    ({ spaces = [] }) => spaces.some((space) => space === hints.space),
    ({ data }) => data === hints.data,
    ({ presets }) => typeof hints.preset === 'string' && Object.hasOwn(presets, hints.preset),
  ];
  // A hint that fits none is a mistake, which the rules of the default tell of.
  const fitting = tests.reduce((left, fits) => (left.some(fits) ? left.filter(fits) : left), known);
  return fitting[0];
}

/** A method's examples as they are typed: `--method` is left out for the default of its command. */
export function exampleLines({ command, name, examples }: Method, among: readonly Method[]): readonly string[] {
  const own = name === methodsOf(command, among)[0].name ? '' : ` --method ${name}`;
  return examples.map((example) => `dartsmith ${command}${own} ${example}`.trimEnd());
}
