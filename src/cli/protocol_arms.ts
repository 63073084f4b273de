// The arms of a protocol, from a command line: the search that its own options describe, and others that differ in a few.
import { Command } from 'commander';
import { ArgumentError, invalid } from '../errors.ts';
import type { Method } from '../methods/method.ts';
import { meantMethod, methodsOf } from '../methods/registry.ts';
import type { ProtocolArm, SearchArm } from '../protocol/options.ts';
import { isAllowed } from '../setting_rules.ts';
import { addPresetOption, addSettingOptions } from './method_options.ts';
import { choiceParser, givenSettings, textParser } from './options.ts';
import { parseWords } from './then_option.ts';

/** The search that a command line describes by options of its own. */
export interface MainArm extends SearchArm {
  readonly method: string;
  readonly settings: object;
  readonly space?: string;
}

/**
 * The arm of `NAME=OPTIONS`, options being those of `search` or, with --by, of `select`. A search has what it does not say as the main one,
 * as far as its method has it. Throws ArgumentError.
 */
export function parseArm(text: string, main: MainArm, methods: readonly Method[]): ProtocolArm {
  const [, name, options] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined) throw invalid('--arm', "NAME=OPTIONS, such as fair='--method fairdarts'", text);
  const words = options.split(/\s+/).filter((word) => word !== '');
  const flag = `--arm ${name}`;
  const isSelection = words.some((word) => word === '--by' || word.startsWith('--by='));
  return isSelection
    ? parseSelection(name, words, { flag, main, methods })
    : parseSearch(name, words, { flag, main, methods });
}

interface Around {
  readonly flag: string;
  readonly main: MainArm;
  readonly methods: readonly Method[];
}

function parseSelection(name: string, words: readonly string[], { flag, main, methods }: Around): ProtocolArm {
  const among = methodsOf('select', methods);
  const names = among.map((method) => method.name);
  const method = among.find((known) => known.name === wordOf(words, '--by')) ?? among[0];
  const command = new Command('select')
    .option('--by <name>', '', choiceParser('--by', names))
    .option('--of <arm>', '', textParser('--of', 'the name of an arm'));
  addPresetOption(command, method);
  addSettingOptions(command, method);
  const { by, of = main.name, preset, ...flags } = parseWords(command, words, flag);
  return { name, of, by, ...(preset && { preset }), settings: givenSettings(method.settings, flags) };
}

function parseSearch(name: string, words: readonly string[], { flag, main, methods }: Around): ProtocolArm {
  const known = methodsOf('search', methods);
  const method = meantMethod('search', { method: wordOf(words, '--method') ?? main.method }, methods);
  const command = new Command('search').option(
    '--method <name>',
    '',
    choiceParser(
      '--method',
      known.map((one) => one.name),
    ),
  );
  addPresetOption(command, method);
  const { spaces = [] } = method;
  if (spaces.length > 0) command.option('--space <name>', '', choiceParser('--space', spaces));
  addSettingOptions(command, method);
  const { method: _, preset, space, ...flags } = parseWords(command, words, flag);
  const inherited = inheritedBy(method, main);
  const given = { ...inherited, ...(preset && { preset }), ...(space && { space }) };
  const settings = { ...inherited.settings, ...givenSettings(method.settings, flags) };
  return { name, method: method.name, ...given, settings };
}

/** What the main search was told and this method knows. */
function inheritedBy(
  { presets, spaces = [], settings: table }: Method,
  { preset, space, settings }: MainArm,
): Pick<SearchArm, 'preset' | 'space' | 'settings'> {
  const known = Object.entries(settings).filter(([name, value]) => name in table && isAllowed(table[name], value));
  return {
    ...(preset !== undefined && Object.hasOwn(presets, preset) && { preset }),
    ...(space !== undefined && spaces.includes(space) && { space }),
    settings: Object.fromEntries(known),
  };
}

/** Before options are parsed, since they depend on it. */
function wordOf(words: readonly string[], flag: string): string | undefined {
  const place = words.findIndex((word) => word === flag || word.startsWith(`${flag}=`));
  return place < 0 ? undefined : (words[place].split('=')[1] ?? words[place + 1]);
}

/** Selections from the main search's supernets, an arm each, called by what decides. Throws ArgumentError for a name that there is not. */
export function parseDeciders(text: string, methods: readonly Method[]): string[] {
  const known = methodsOf('select', methods).map(({ name }) => name);
  const names = text.split(',').map((name) => choiceParser('--by', known)(name.trim()));
  if (new Set(names).size < names.length) throw new ArgumentError(`--by names one twice: ${text}`);
  return names;
}
