// Options of the commands that look at the history of a search.
import { Option } from 'commander';
import { aNumber } from '../checks.ts';
import { invalid } from '../errors.ts';
import type { PublishedHistoryOptions } from '../exchange/published_history.ts';
import { defaultThreshold, selectionRules } from '../select/rules.ts';
import { mixingActivations } from '../space/space.ts';
import { choiceParser, readNumber, textParser } from './options.ts';

/** How the help of a command describes where a history comes from. */
export const historySourceHelp =
  "a run directory, or what a search of FairDARTS' code left: its folder, history_weight.json, normal_weight.npy or checkpoint.pth.tar";

/** The rule of selection; it has no default here, since it follows from the search. */
export function byOption(): Option {
  const help = `rule: ${selectionRules.join(', ')} (default: threshold_sparse; darts where weights are by softmax)`;
  return new Option('--by <rule>', help).argParser(choiceParser('--by', selectionRules));
}

/** What a mixing weight must reach. */
export function thresholdOption(): Option {
  const help = `what a mixing weight must reach, from 0 to 1 (default: ${defaultThreshold})`;
  return new Option('--threshold <number>', help).argParser((text) => {
    const value = readNumber(text);
    const share = aNumber(0, 1);
    if (!share.holds(value)) throw invalid('--threshold', share.words, text);
    return value;
  });
}

/** What the published code's files do not say. */
export function publishedOptions(): Option[] {
  const candidates = 'names of the candidates in files of other programs, such as skip_connect,sep_conv_3x3';
  const activation =
    'how alpha of a checkpoint.pth.tar became weights: sigmoid or softmax (default: as its history tells)';
  return [
    new Option('--candidates <names>', candidates).argParser((text) =>
      textParser(
        '--candidates',
        'names with commas between them',
      )(text)
        .split(',')
        .map((name) => name.trim()),
    ),
    new Option('--activation <name>', activation).argParser(choiceParser('--activation', mixingActivations)),
  ];
}

/** Those of parsed options. */
export function publishedOf({ candidates, activation }: PublishedHistoryOptions): PublishedHistoryOptions {
  return { ...(candidates && { candidates }), ...(activation && { activation }) };
}
