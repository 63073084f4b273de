// What a file of NATS-Bench's archive holds of a cell: by training (hp) a dict of its runs, one a set and seed, each with accuracies by
// epoch. Pickled, and read without running anything of it.
import { describe } from '../describe.ts';
import { FileError } from '../errors.ts';
import { bunzip } from '../io/bunzip.ts';
import { Opaque, type PickleGlobal, type PickleNames, unpickle } from '../io/unpickle.ts';
import type { ArchiveFile } from './archive_files.ts';
import { type BenchmarkColumn, benchmarkColumns } from './columns.ts';

/** Unpacked; a cell's file has half a MB, and what a small hostile one unpacks to takes seconds. */
const mostBytes = 2 ** 26;

const dict: PickleGlobal = ([items = []]) => new Map(items as Iterable<readonly [unknown, unknown]>);

const globals: Readonly<Record<string, PickleGlobal>> = {
  'collections.OrderedDict': dict,
  // Behind what makes its missing values.
  'collections.defaultdict': ([, items]) => dict([items ?? []]),
  'numpy.core.multiarray.scalar': scalar,
  'numpy._core.multiarray.scalar': scalar,
};

const names: PickleNames = {
  global: (module, name) => {
    const full = `${module}.${name}`;
    return Object.hasOwn(globals, full) ? globals[full] : undefined;
  },
  persistent: (id) => new Opaque('persistent', [id]),
};

/** The object in a packed pickle. Throws FileError. */
async function unpacked({ place, read }: ArchiveFile): Promise<unknown> {
  const packed = await read();
  try {
    return unpickle(bunzip(packed, mostBytes), 0, names).value;
  } catch (error) {
    throw new FileError(`${place}: ${(error as Error).message}`, { cause: error });
  }
}

/** The strings of cells in their order, as the archive's meta file lists them. Throws FileError. */
export async function readMeta(file: ArchiveFile): Promise<readonly unknown[]> {
  const meta = await unpacked(file);
  const texts: unknown = meta instanceof Map ? meta.get('meta_archs') : undefined;
  if (!Array.isArray(texts)) throw new FileError(`${file.place}: expected a dict with a list of cells, meta_archs`);
  return texts;
}

/**
 * Accuracies of a cell in percent by column, in the order of {@link benchmarkColumns}: means over the seeds that the file has, NaN where it
 * has none. `structure` is the string that it must be of. Throws FileError.
 */
export async function readCell(file: ArchiveFile, index: number, structure: string): Promise<number[]> {
  const trainings = await unpacked(file);
  const fault = (message: string) => new FileError(`${file.place}: ${message}`);
  if (!(trainings instanceof Map)) throw fault(`expected a dict of trainings but found ${described(trainings)}`);
  const checked = new Map<number, ReadonlyMap<unknown, unknown>>();
  for (const epochs of [200, 12]) {
    const training: unknown = trainings.get(String(epochs));
    if (training === undefined) continue;
    if (!(training instanceof Map)) throw fault(`expected a dict for '${epochs}' but found ${described(training)}`);
    checkCell(training, index, structure, fault);
    checked.set(epochs, training);
  }
  if (checked.size === 0) throw fault("expected trainings '12' or '200', as in the topology space");
  return benchmarkColumns.map((column) => {
    const training = checked.get(column.epochs);
    return training === undefined ? Number.NaN : meanAccuracy(training, column, fault);
  });
}

type Fault = (message: string) => FileError;

function checkCell(training: ReadonlyMap<unknown, unknown>, index: number, structure: string, fault: Fault): void {
  const [own, text] = ['arch_index', 'arch_str'].map((key) => training.get(key));
  if (own !== index) throw fault(`expected cell ${index} but found ${described(own)}`);
  if (text !== structure) throw fault(`expected the cell ${structure} but found ${described(text)}`);
}

function meanAccuracy(training: ReadonlyMap<unknown, unknown>, column: BenchmarkColumn, fault: Fault): number {
  const where = `${column.set}, ${column.split} of ${column.epochs} epochs`;
  const seeds = entry(training.get('dataset_seed'), column.set) ?? [];
  if (!Array.isArray(seeds)) throw fault(`expected a list of seeds for ${column.set} but found ${described(seeds)}`);
  const runs = runsOf(training.get('all_results'), column.set);
  const accuracies = seeds.flatMap((seed) => {
    const run = runs.get(seed);
    if (!(run instanceof Map)) throw fault(`expected a run of ${column.set} with seed ${described(seed)}`);
    if (run.get('epochs') !== column.epochs) {
      throw fault(`expected ${column.epochs} epochs for ${column.set} but found ${described(run.get('epochs'))}`);
    }
    const accuracy = lastAccuracy(run, column);
    if (accuracy === undefined) return [];
    if (typeof accuracy === 'number' && accuracy >= 0 && accuracy <= 100) return [accuracy];
    throw fault(`expected a number from 0 to 100 for ${where} but found ${described(accuracy)}`);
  });
  return accuracies.reduce((sum, accuracy) => sum + accuracy, 0) / accuracies.length;
}

/** Runs are keyed by set and seed. */
function runsOf(results: unknown, set: string): Map<unknown, unknown> {
  const runs = new Map<unknown, unknown>();
  for (const [key, run] of results instanceof Map ? results : []) {
    if (Array.isArray(key) && key[0] === set) runs.set(key[1], run);
  }
  return runs;
}

/** Epochs count from 0. */
function lastAccuracy(run: ReadonlyMap<unknown, unknown>, { split, epochs }: BenchmarkColumn): unknown {
  if (split === 'train') return entry(run.get('train_acc1es'), epochs - 1);
  return entry(run.get('eval_acc1es'), `${split}@${epochs - 1}`);
}

function entry(container: unknown, key: string | number): unknown {
  if (container instanceof Map) return container.get(key);
  return Array.isArray(container) && typeof key === 'number' ? container[key] : undefined;
}

function described(value: unknown): string {
  return value instanceof Opaque ? describe(value.name) : describe(value);
}

/** A number of NumPy's, of its type and its bytes; others stay what they are. */
function scalar(args: readonly unknown[]): unknown {
  const [type, bytes] = args;
  const [code] = type instanceof Opaque ? type.args : [];
  const isBig = type instanceof Opaque && Array.isArray(type.state) && type.state[1] === '>';
  if (!(bytes instanceof Uint8Array) || isBig) return new Opaque('numpy scalar');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (code === 'f8' && bytes.length === 8) return view.getFloat64(0, true);
  if (code === 'f4' && bytes.length === 4) return view.getFloat32(0, true);
  if (code === 'i8' && bytes.length === 8) return Number(view.getBigInt64(0, true));
  return new Opaque('numpy scalar');
}
