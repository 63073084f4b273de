// What commands may hold, as a table: a rule a field of each kind. Every backend asks here before anything runs, so that all refuse
// the same with the same words.
import {
  aBoolean,
  aNumber,
  anInteger,
  aShareBelowOne,
  aSignal,
  check,
  checkOptional,
  checkOptions,
  finite,
  isRecord,
  isTypedArray,
  notNegative,
  oneOf,
  positive,
  type Rule,
  typedArray,
} from '../checks.ts';
import { invalid, unexpected } from '../errors.ts';
import type { ParameterSpec } from '../graph/graph.ts';
import { elementsOf } from '../graph/shape.ts';
import type { Belongings } from './belongings.ts';
import { checkBatch, checkDropout, checkMasks, samplesOf } from './check_batch.ts';
import { copiedNames } from './copied_parts.ts';
import {
  type Command,
  type CopyCommand,
  type DirectBatch,
  type DropoutDraw,
  type ExecuteOptions,
  momentumPlaces,
  type Program,
  passStatistics,
  penalties,
} from './device.ts';
import { endsOf } from './graph_ends.ts';
import type { ParameterMap } from './parameter_map.ts';
import type { Parameters } from './parameters.ts';

/** Where a field is looked at: its command, and what the device that is to run it has made. */
interface Place {
  readonly command: Readonly<Record<string, unknown>>;
  readonly owner: Belongings;
}

type FieldCheck = (name: string, value: unknown, place: Place) => void;
type FieldChecks = Readonly<Record<string, FieldCheck>>;

const meets =
  (rule: Rule): FieldCheck =>
  (name, value) =>
    check(name, value, rule);

const mayMeet =
  (rule: Rule): FieldCheck =>
  (name, value) =>
    checkOptional(name, value, rule);

const program: FieldCheck = (name, value, { owner }) => owner.check('program', name, value);
const parameters: FieldCheck = (name, value, { owner }) => owner.check('parameters', name, value);

const programWithLoss: FieldCheck = (name, value, place) => {
  program(name, value, place);
  if (endsOf((value as Program).graph).isLoss) return;
  throw unexpected(name, 'a program whose graph ends in a loss', 'one of another output');
};

const batch: FieldCheck = (name, value, { command, owner }) =>
  checkBatch(name, value, command['program'] as Program, owner);

const directBatch: FieldCheck = (name, value, place) => {
  if (isRecord(value) && value['dataset'] !== undefined) throw invalid(name, 'a batch of inputs', value);
  batch(name, value, place);
};

const averages: FieldCheck = (name, value, place) => {
  parameters(name, value, place);
  const [own, other] = [place.command['parameters'], value].map((each) => (each as Parameters).map);
  const fits = own.totals.weight === other.totals.weight && own.totals.buffer === other.totals.buffer;
  const groups = (map: ParameterMap) => JSON.stringify([...map.groups]);
  if (!fits || own.places.size !== other.places.size || groups(own) !== groups(other)) {
    throw unexpected(name, 'averages laid out as the parameters', 'those of another graph');
  }
};

const mixing: FieldCheck = (name, value, { command }) => {
  if (value === undefined) return;
  if (!isRecord(value)) throw invalid(name, 'mixing weights by table', value);
  const { places } = (command['program'] as Program).parameters.map;
  for (const [table, weights] of Object.entries(value)) {
    const place = places.get(table);
    if (place?.spec.role !== 'alpha') throw invalid(name, 'names of architecture parameter tables', table);
    const isRows =
      Array.isArray(weights) && weights.every((row) => row === undefined || isTypedArray('Float32Array', row));
    if (isRows) checkMixingRows(`${name}.${table}`, weights, place.spec);
    else checkWeights(`${name}.${table}`, weights, place.size);
  }
};

function checkMixingRows(name: string, rows: readonly unknown[], { rowLengths = [] }: ParameterSpec): void {
  if (rows.length !== rowLengths.length) throw invalid(name, `${rowLengths.length} rows of weights or undefined`, rows);
  for (const [row, length] of rowLengths.entries()) {
    if (rows[row] !== undefined) checkWeights(`${name}[${row}]`, rows[row], length);
  }
}

function checkWeights(name: string, weights: unknown, count: number): void {
  check(name, weights, typedArray('Float32Array', count, 'weights'));
  const wrong = (weights as Float32Array).find((weight) => !Number.isFinite(weight));
  if (wrong !== undefined) throw invalid(name, 'finite weights', wrong);
}

const read: FieldCheck = (name, value, { command }) => {
  if (value === undefined) return;
  if (!Array.isArray(value)) throw invalid(name, 'a list of nodes', value);
  const node = anInteger(0, (command['program'] as Program).graph.nodes.length - 1);
  for (const [index, id] of value.entries()) check(`${name}[${index}]`, id, node);
};

const outputGradient: FieldCheck = (name, value, { command }) => {
  const owner = command['program'] as Program;
  const { isLoss, shape } = endsOf(owner.graph);
  const samples = samplesOf('batch.inputs', (command['batch'] as DirectBatch).inputs, owner);
  const words = isLoss ? 'an empty Float32Array, as for any loss,' : `a Float32Array of [${[samples, ...shape]}]`;
  const length = isLoss ? 0 : elementsOf(shape, samples);
  check(name, value, { words, holds: (given) => isTypedArray('Float32Array', given) && given.length === length });
};

const groupsOfGradients: FieldCheck = (name, value, { command }) => {
  checkGroups(name, value, (command['program'] as Program).parameters);
  if (value !== undefined && command['target'] === 'alpha')
    throw unexpected(name, 'none for gradients of alpha', 'some');
};

const groupsOfProgram: FieldCheck = (name, value, { command }) =>
  checkGroups(name, value, (command['program'] as Program).parameters);

const perturbed: FieldCheck = (name, value, { command }) => {
  if (value === undefined) return;
  if (!Array.isArray(value) || value.length !== 2) throw invalid(name, 'two draws', value);
  for (const [index, draw] of value.entries()) {
    checkDropout(`${name}[${index}]`, draw);
    checkMasks(`${name}[${index}].masks`, (draw as DropoutDraw).masks, command['program'] as Program);
  }
};

const accumulate: FieldCheck = (name, value, { command }) => {
  if (!Array.isArray(value)) return checkOptional(name, value, aBoolean);
  groupsOfGradients(name, value, { command } as Place);
  const wanted = (command['groups'] as string[] | undefined) ?? value;
  const other = value.find((group) => !wanted.includes(group));
  if (other !== undefined) throw invalid(name, 'groups whose gradients are wanted', other);
};

const groups: FieldCheck = (name, value, { command }) => {
  checkGroups(name, value, command['parameters'] as Parameters);
  if (value !== undefined && movedOf(command) === 'alpha') throw unexpected(name, 'none of alpha', 'some');
};

function checkGroups(name: string, value: unknown, { map }: Parameters): void {
  if (value === undefined) return;
  if (!Array.isArray(value) || value.length === 0) throw invalid(name, 'a list of groups of weights', value);
  const known = oneOf([...map.groups.keys()]);
  for (const [index, group] of value.entries()) {
    check(`${name}[${index}]`, group, known);
    if (value.indexOf(group) < index) throw invalid(`${name}[${index}]`, 'each group once', group);
  }
}

/** What an optimiser's command moves. */
function movedOf({ kind, of }: Readonly<Record<string, unknown>>): unknown {
  return of ?? (kind === 'adam' ? 'alpha' : 'weights');
}

const withSecondMoments: FieldCheck = (name, value, place) => {
  parameters(name, value, place);
  const { kind, momentumIn } = place.command;
  const needs = movedOf(place.command) === 'weights' && (kind === 'adam' || momentumIn === 'secondMoments');
  if (!needs || (value as Parameters).map.secondMoments) return;
  const needing = kind === 'adam' ? 'adam on weights' : 'momentum in their place';
  throw unexpected(name, `parameters created with secondMoments, which ${needing} needs,`, 'some without');
};

const tensors: FieldCheck = (name, value, { command }) => {
  const [from, to] = [command['parameters'], command['target']].map((each) => (each as Parameters).map.places);
  const isList = Array.isArray(value) && value.every((one) => typeof one === 'string');
  if (value !== undefined && !isList && !isRecord(value))
    throw invalid(name, 'a list of names, or names by name', value);
  const names = copiedNames({ ...(command as object), tensors: value } as CopyCommand);
  const written = new Set(names.map(([own]) => to.get(own)));
  for (const [own, source] of names) {
    const [target, origin] = [to.get(own), from.get(source)];
    if (target === undefined) throw invalid(name, 'names of tensors of the target', own);
    if (origin === undefined) throw invalid(name, 'names of tensors of the parameters', source);
    if (target.spec.role !== origin.spec.role || String(target.spec.shape) !== String(origin.spec.shape)) {
      throw unexpected(
        name,
        `a ${target.spec.role} of [${target.spec.shape}] for ${own}`,
        `${source}, a ${origin.spec.role} of [${origin.spec.shape}]`,
      );
    }
    if (target === origin) throw unexpected(name, 'other tensors than the target has', `${own} itself`);
    // Which of the two comes first would matter.
    if (written.has(origin)) throw unexpected(name, 'tensors that the copy does not write over', source);
  }
};

const betas: FieldCheck = (name, value) => {
  if (!Array.isArray(value) || value.length !== 2) throw invalid(name, 'two numbers in [0, 1)', value);
  for (const [index, beta] of value.entries()) check(`${name}[${index}]`, beta, aShareBelowOne);
};

const nesterov: FieldCheck = (name, value, { command }) => {
  checkOptional(name, value, aBoolean);
  if (value && command['momentum'] === 0) throw unexpected(name, 'a momentum above 0 with it', '0');
};

const entries: FieldCheck = (name, value, { command }) => {
  if (value === undefined) return;
  if (!isRecord(value)) throw invalid(name, 'ones and zeros by table', value);
  const { places } = (command['parameters'] as Parameters).map;
  for (const [table, counted] of Object.entries(value)) {
    const place = places.get(table);
    if (place?.spec.role !== 'alpha') throw invalid(name, 'names of architecture parameter tables', table);
    check(`${name}.${table}`, counted, typedArray('Uint8Array', place.size, 'ones and zeros'));
    const wrong = (counted as Uint8Array).find((one) => one > 1);
    if (wrong !== undefined) throw invalid(`${name}.${table}`, 'ones and zeros', wrong);
    if (command['penalty'] === 'beta') checkWholeRows(`${name}.${table}`, counted as Uint8Array, place.spec);
  }
};

function checkWholeRows(name: string, counted: Uint8Array, { rowLengths = [] }: ParameterSpec): void {
  let first = 0;
  for (const [row, length] of rowLengths.entries()) {
    const whole = counted.subarray(first, first + length).every((one) => one === counted[first]);
    if (!whole) throw unexpected(name, 'rows that count whole, as beta has them', `a part of row ${row}`);
    first += length;
  }
}

/** Infinity clips nothing, and what float32 cannot hold is as good. */
const maxNorm: Rule = {
  words: 'a positive number (Infinity for no clipping)',
  holds: (value) => typeof value === 'number' && Math.fround(value) > 0,
};

/** Beyond it the finite difference is lost in float32, or overflows. */
const radius: Rule = { ...aNumber(1e-12, 1e12), words: 'a number from 1e-12 to 1e12' };

const statistics = oneOf(passStatistics);
const passFields = { mixing, profile: mayMeet(aBoolean) };
const movedFields = { of: mayMeet(oneOf(['weights', 'alpha'])), groups };
const stepFields = { learningRate: meets(notNegative), weightDecay: meets(notNegative) };

/** In the order in which they are looked at: a field may rely on those before it. */
const table: Readonly<Record<Command['kind'], FieldChecks>> = {
  evaluate: { program, batch, statistics: meets(statistics), read, ...passFields },
  gradients: {
    program: programWithLoss,
    batch,
    target: meets(oneOf(['weights', 'alpha', 'both'])),
    groups: groupsOfGradients,
    accumulate,
    statistics: mayMeet(statistics),
    read,
    ...passFields,
  },
  vjp: { program, batch: directBatch, outputGradient, statistics: mayMeet(statistics), ...passFields },
  hypergradient: {
    program: programWithLoss,
    train: batch,
    validation: batch,
    ...stepFields,
    momentum: meets(aNumber(0, 1)),
    radius: mayMeet(radius),
    maxNorm: mayMeet(maxNorm),
    unclamped: mayMeet(aBoolean),
    heldGroups: groupsOfProgram,
    perturbed,
    mixing,
  },
  sgd: {
    parameters: withSecondMoments,
    ...movedFields,
    ...stepFields,
    momentum: meets(aNumber(0, 1)),
    nesterov,
    momentumIn: mayMeet(oneOf(momentumPlaces)),
    maxNorm: meets(maxNorm),
  },
  clip: { parameters, groups, alpha: mayMeet(aBoolean), maxNorm: meets(maxNorm) },
  average: { parameters, averages, groups, decay: meets(aNumber(0, 1)) },
  penalty: {
    parameters,
    penalty: meets(oneOf(penalties)),
    weight: meets(finite),
    activation: mayMeet(oneOf(['softmax', 'sigmoid'])),
    entries,
  },
  copy: { parameters, target: parameters, tensors },
  // An epsilon of 0 divides 0 by 0 where a gradient was always 0.
  adam: {
    parameters: withSecondMoments,
    ...movedFields,
    ...stepFields,
    betas,
    epsilon: meets(positive),
    step: meets(anInteger(1)),
    maxNorm: mayMeet(maxNorm),
  },
};

const kinds = oneOf(Object.keys(table));

/** Throws ArgumentError for options of a run that are none. */
export function checkExecuteOptions(options: ExecuteOptions): void {
  checkOptions('options', options, ['signal']);
  checkOptional('signal', options.signal, aSignal);
}

/** Throws ArgumentError, naming the field as in `commands[2].learningRate`, where a device is to run what makes no sense. */
export function checkCommands(commands: unknown, owner: Belongings): void {
  if (!Array.isArray(commands)) throw invalid('commands', 'a list of commands', commands);
  for (const [index, command] of commands.entries()) {
    const name = `commands[${index}]`;
    if (!isRecord(command)) throw invalid(name, 'a command', command);
    check(`${name}.kind`, command['kind'], kinds);
    const fields = table[command['kind'] as Command['kind']];
    const known = ['kind', ...Object.keys(fields)];
    checkKnown(`a field of ${name}`, command, known, known);
    checkFields(command, `${name}.`, fields, owner);
  }
}

/** The same for the one command of a program's method; fields have the names that the method's options have. */
export function checkCommand(command: Command, owner: Belongings): void {
  const fields = table[command.kind];
  const own = Object.keys(fields).filter((field) => field !== 'program');
  checkKnown('an option', command, ['kind', 'program', ...own], [...own, 'signal']);
  checkFields({ ...command }, '', fields, owner);
}

function checkKnown(name: string, command: object, known: readonly string[], offered: readonly string[]): void {
  for (const [key, value] of Object.entries(command)) {
    if (value !== undefined && !known.includes(key)) throw invalid(name, `one of ${offered.join(', ')}`, key);
  }
}

function checkFields(command: Place['command'], prefix: string, fields: FieldChecks, owner: Belongings): void {
  for (const [field, look] of Object.entries(fields)) look(prefix + field, command[field], { command, owner });
}
