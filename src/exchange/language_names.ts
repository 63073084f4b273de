// The tensors of language models in files, under the names of the published code (arXiv:1806.09055).
import { FileError } from '../errors.ts';
import type { WeightTensor } from '../io/safetensors.ts';
import { languageModelNames } from '../network/language_model.ts';

type Tensors = ReadonlyMap<string, WeightTensor>;

const { embedding, cell, decoder, alpha } = languageModelNames;

/** The table of words, which the decoder has under the other name. */
export const tiedNames = { kept: `${embedding}.weight`, twin: `${decoder}.weight` } as const;

/** The decoder's bias. */
export const decoderBias = `${decoder}.bias`;

/** What every one has, the table of words first. */
export const languageMarks: readonly string[] = [tiedNames.kept, `${cell}._W0`];

const partName = /^(?:encoder|rnns|decoder)\./;

/** What lies beside the weights and is known elsewhere: other names of alpha, and where a training of ours goes on. */
const besideName = /^(?:_arch_parameters\.\d+|rnns\.\d+\.weights|state\..*)$/;

/** Whether names are those of a language model. */
export function isLanguageModel(tensors: { has(name: string): boolean }): boolean {
  return languageMarks.every((name) => tensors.has(name));
}

/** Whether a language model's are those of a search's. */
export function isSearchedLanguageModel(tensors: { has(name: string): boolean }): boolean {
  return tensors.has(alpha) || tensors.has(`${cell}.bn.running_mean`);
}

/** Whether a language model may have a parameter of that name. */
export function isLanguagePart(name: string): boolean {
  return name === alpha || (partName.test(name) && !isBesideLanguageModel(name));
}

/** Whether a name beside a language model's parameters needs no notice. */
export function isBesideLanguageModel(name: string): boolean {
  return besideName.test(name);
}

/** What alpha is called in files, at the end of a path, by our name; a file may hold nothing but the table. */
export const languageAlphaEndings: Readonly<Record<string, RegExp>> = {
  [alpha]: /^$|(?:^|\.)(?:weights|alphas?|_?arch_?param\w*(?:\.0)?)$/i,
};

/** The tensors with the table of words once. Throws FileError where the decoder has another, which no language model of ours does. */
export function untied(tensors: Tensors, path: string): Tensors {
  const [table, twin] = [tensors.get(tiedNames.kept), tensors.get(tiedNames.twin)];
  if (table === undefined || twin === undefined) return tensors;
  if (!isSame(table, twin)) {
    throw new FileError(`${path} does not fit: expected one table of words as ${tiedNames.kept} and ${tiedNames.twin}`);
  }
  return new Map([...tensors].filter(([name]) => name !== tiedNames.twin));
}

/** The tensors with the table of words under both names, where the published state dict has them. */
export function tied(tensors: Tensors): Tensors {
  const table = tensors.get(tiedNames.kept)!;
  return new Map(
    [...tensors].flatMap(([name, tensor]) =>
      name === decoderBias ? [[tiedNames.twin, table] as const, [name, tensor] as const] : [[name, tensor] as const],
    ),
  );
}

function isSame(a: WeightTensor, b: WeightTensor): boolean {
  const { data, shape } = b;
  return a.shape.join() === shape.join() && a.data.every((value, i) => Object.is(value, data[i]));
}
