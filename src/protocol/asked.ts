// protocol.json: what a protocol was asked, written once. All else that it keeps are run directories.
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { isRecord } from '../checks.ts';
import { ArgumentError, FileError } from '../errors.ts';
import { writeFileAtomic } from '../io/atomic.ts';
import { errorCode, fileError, isMissing } from '../io/file_error.ts';
import { runVersions } from '../run/config.ts';
import { checkProtocolOptions, decisive, isSelection, type ProtocolArm, type ProtocolOptions } from './options.ts';

/** The format that this version writes and reads. */
const protocolFormat = 1;

/** Something that was given as an object, so that it must be given again. */
interface Given {
  readonly given: string;
}

/** Where a protocol tells what it was asked. */
export function protocolFile(directory: string): string {
  return join(directory, 'protocol.json');
}

/** Writes what is asked, where nothing is; else holds it to what was. Throws FileError that names what differs. */
export async function recordAsked(directory: string, options: ProtocolOptions): Promise<void> {
  const asked = askedOf(options);
  const before = await readAsked(directory);
  if (before === undefined) {
    const { dataDir } = options;
    const told = { format: protocolFormat, versions: runVersions(), ...asked, dataDir: dataDir && resolve(dataDir) };
    return writeFileAtomic(protocolFile(directory), `${JSON.stringify(told, null, 2)}\n`);
  }
  const other = decisive.find((name) => !isDeepStrictEqual(before[name], asked[name]));
  if (other === undefined) return;
  throw new FileError(
    `${directory} holds a protocol that was asked with other ${other}: --resume goes on with it; choose another folder for a new one`,
  );
}

/** The options of the protocol in a folder, with where and how `options` have it go on. Throws FileError or ArgumentError. */
export async function askedAgain(directory: string, options: ProtocolOptions): Promise<ProtocolOptions> {
  const asked = await readAsked(directory);
  if (asked === undefined) throw new FileError(`${directory} holds no protocol: there is no protocol.json`);
  const { resume: _, dataDir = asked['dataDir'], dataset, arms, ...how } = options;
  const recorded = Object.fromEntries(decisive.map((name) => [name, asked[name]]));
  const again = {
    ...recorded,
    ...how,
    arms: givenAgain(asked['arms'] as readonly ProtocolArm[], arms),
    dataset: sameDataset(asked['dataset'], dataset),
    dataDir,
    out: directory,
  };
  const known = Object.entries(again).filter(([, value]) => value !== undefined);
  const found = Object.fromEntries(known) as ProtocolOptions;
  try {
    checkProtocolOptions(found);
  } catch (error) {
    throw new FileError(`${protocolFile(directory)} is damaged: ${(error as Error).message}`, { cause: error });
  }
  return found;
}

type Asked = Readonly<Record<string, unknown>>;

/** As JSON has it, so that it compares with what was read. */
function askedOf(options: ProtocolOptions): Asked {
  const told = (value: unknown) => (isRecord(value) ? { given: String(value['name']) } : value);
  const arms = options.arms?.map((arm) => (isSelection(arm) ? arm : { ...arm, space: told(arm.space) }));
  const asked = Object.fromEntries(decisive.map((name) => [name, options[name]]));
  const benchmark = options.benchmark && { ...options.benchmark, table: resolve(options.benchmark.table) };
  return JSON.parse(JSON.stringify({ ...asked, benchmark, arms, dataset: told(options.dataset) })) as Asked;
}

/** Undefined where there is none. */
async function readAsked(directory: string): Promise<Asked | undefined> {
  const path = protocolFile(directory);
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    if (errorCode(error) === 'ENOTDIR')
      throw new FileError(`${directory} is a file: expected the folder of a protocol`);
    throw fileError('read', path, error);
  });
  if (text === undefined) return undefined;
  const asked = parsed(text);
  if (!isRecord(asked)) throw new FileError(`${path} is damaged: expected a JSON object`);
  if (asked['format'] !== protocolFormat) {
    throw new FileError(
      `${path}: expected format ${protocolFormat} but got ${String(asked['format'])}; another version wrote it`,
    );
  }
  return asked;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Told by who asked.
    return undefined;
  }
}

function isGiven(value: unknown): value is Given {
  return isRecord(value) && typeof value['given'] === 'string';
}

/** Throws ArgumentError where a dataset of one's own is missing, or another one was given. */
function sameDataset(recorded: unknown, given: ProtocolOptions['dataset']): unknown {
  const name = typeof given === 'object' ? given.name : given;
  if (isGiven(recorded)) {
    if (typeof given === 'object' && name === recorded.given) return given;
    throw new ArgumentError(`the protocol began with a dataset of its own, '${recorded.given}': give it as dataset`);
  }
  if (given === undefined || given === recorded) return recorded;
  throw new ArgumentError(`dataset cannot be given with resume: the protocol fixed it`);
}

/** Arms as they were asked, with spaces of one's own out of `given`. */
function givenAgain(recorded: readonly ProtocolArm[], given: ProtocolOptions['arms'] = []): unknown {
  if (!Array.isArray(recorded)) return recorded;
  const asksFor = (name: string) =>
    recorded.some((arm: unknown) => isRecord(arm) && arm['name'] === name && isGiven(arm['space']));
  const other = given.find(({ name }) => !asksFor(name));
  if (other !== undefined) {
    throw new ArgumentError(`arm '${other.name}' cannot be given with resume: the protocol fixed its arms`);
  }
  return recorded.map((arm: unknown) => {
    if (!isRecord(arm) || !isGiven(arm['space'])) return arm;
    const { given: name } = arm['space'];
    const same = given.find((one) => one.name === arm['name']);
    if (same !== undefined && 'space' in same && isRecord(same.space) && same.space['name'] === name) {
      return { ...arm, space: same.space };
    }
    throw new ArgumentError(`arm '${String(arm['name'])}' searches a space of its own, '${name}': give it as space`);
  });
}
