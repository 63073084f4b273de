// Settings that searches and trainings of language models share, under the originals' names.
import type { LanguageModelDropouts } from '../network/language_model.ts';
import { integer, number, type SettingsOf, type SettingTable } from '../setting_rules.ts';

/** The defaults in which a search and a training differ. */
interface LanguageDefaults extends Pick<LanguageModelDropouts, 'dropoute'> {
  readonly emsize: number;
  readonly epochs: number;
  readonly batchSize: number;
  readonly wdecay: number;
}

const rate = (usual: number, of: string) =>
  number(usual, 0, 0.999, `share of ${of} that is dropped, the same over a sequence`);

/** The rules of these settings. */
export function languageRules({ emsize, epochs, batchSize, wdecay, dropoute }: LanguageDefaults) {
  return {
    emsize: integer(emsize, 1, 65536, 'size of an embedded word and of the hidden state (nhid and nhidlast too)'),
    epochs: integer(epochs, 1, 100_000, 'passes over the training text'),
    batchSize: integer(batchSize, 1, 4096, 'columns that the training text is cut into'),
    smallBatchSize: integer(-1, -1, 4096, 'columns at a time, each group with its own state and masks (-1: all)'),
    lr: number(20, 0, 1e6, 'learning rate of the weights at the usual length'),
    clip: number(0.25, 1e-6, 1e6, 'largest norm of the gradient of the weights'),
    wdecay: number(wdecay, 0, 100, 'weight decay'),
    bptt: integer(35, 2, 1000, 'usual length of a sequence'),
    alpha: number(0, 0, 1e6, 'weight of the mean square of the dropped output (not the architecture parameters)'),
    beta: number(1e-3, 0, 1e6, 'weight of the mean square of changes of the output'),
    dropout: rate(0.75, 'the output in front of the decoder'),
    dropoutx: rate(0.75, 'the input in front of the cell'),
    dropouth: rate(0.25, 'the hidden state and nodes in front of their weights'),
    dropouti: rate(0.2, 'the embedded words'),
    dropoute: rate(dropoute, 'the vocabulary'),
  } satisfies SettingTable;
}

/** Those settings. */
export type LanguageSettings = SettingsOf<ReturnType<typeof languageRules>>;

/** Columns of a group. */
export function groupSize({
  batchSize,
  smallBatchSize,
}: Pick<LanguageSettings, 'batchSize' | 'smallBatchSize'>): number {
  return smallBatchSize < 0 ? batchSize : smallBatchSize;
}

/** The dropouts among settings. */
export function dropoutsOf(settings: LanguageModelDropouts): LanguageModelDropouts {
  const { dropout, dropoutx, dropouth, dropouti, dropoute } = settings;
  return { dropout, dropoutx, dropouth, dropouti, dropoute };
}
