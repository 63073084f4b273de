// Options of the commands that look at the history of a search.
import type { Command } from 'commander';
import { aNumber } from '../checks.ts';
import { invalid } from '../errors.ts';
import type { CellKey } from '../genotype/genotype.ts';
import type { HistoryOptions } from '../run/select.ts';
import type { MixingHistory } from '../select/history.ts';
import { defaultThreshold, selectionRules } from '../select/rules.ts';
import { mixingActivations } from '../space/space.ts';
import { invalidWord } from '../suggest.ts';
import { choiceParser, readNumber, textParser } from './options.ts';

/** How the help of a command describes where a history comes from. */
export const historySourceHelp =
  "a run directory, or what a search of FairDARTS' code left: its folder, history_weight.json, normal_weight.npy or checkpoint.pth.tar";

/** Describes which cells are told of. */
export const cellHelp = 'normal, reduce or, of cells that do not share alpha, such as cells.3 (default: all)';

/** The cells of a history that are told of: all, or the one that is asked for. Throws ArgumentError for one that it has not. */
export function cellsTold({ layout }: MixingHistory, cell: CellKey | undefined): CellKey[] {
  const keys = Object.keys(layout.tables);
  if (cell === undefined) return keys;
  if (!keys.includes(cell)) throw invalidWord('--cell', keys, cell);
  return [cell];
}

/** Adds the rule of selection and its threshold, and what the published code's files do not say. */
export function addHistoryOptions(command: Command, others: readonly string[] = []): void {
  const runs = others.length > 0 ? `; by a run of its own, with settings: ${others.join(', ')}` : '';
  command
    // Without a default: it follows from the search.
    .option(
      '--by <rule>',
      `rule: ${selectionRules.join(', ')} (default: the search's; else threshold_sparse, darts where weights are by softmax)${runs}`,
      choiceParser('--by', selectionRules),
    )
    .option(
      '--threshold <number>',
      `what a mixing weight must reach, from 0 to 1 (default: the search's, else ${defaultThreshold})`,
      parseThreshold,
    )
    .option('--stage <name>', 'of a search in stages: which (default: the last)', textParser('--stage', 'a stage'))
    .option(
      '--candidates <names>',
      'names of the candidates in files of other programs, such as skip_connect,sep_conv_3x3',
      parseNames,
    )
    .option(
      '--activation <name>',
      'how alpha of a checkpoint.pth.tar became weights: sigmoid or softmax (default: as its history tells)',
      choiceParser('--activation', mixingActivations),
    );
}

function parseThreshold(text: string): number {
  const value = readNumber(text);
  const share = aNumber(0, 1);
  if (!share.holds(value)) throw invalid('--threshold', share.words, text);
  return value;
}

function parseNames(text: string): string[] {
  const names = textParser('--candidates', 'names with commas between them')(text);
  return names.split(',').map((name) => name.trim());
}

/** Those of parsed options. */
export function historyOf({ stage, candidates, activation }: HistoryOptions): HistoryOptions {
  return { ...(stage && { stage }), ...(candidates && { candidates }), ...(activation && { activation }) };
}
