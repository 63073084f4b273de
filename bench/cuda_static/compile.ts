// Compiles native/cuda with nvcc for every architecture and reads what ptxas says of the kernels. Reports are kept in
// build-cuda-static/ by the hash of all that goes into them, so that an unchanged tree costs nothing.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { demangled, shortName } from './names.ts';
import { type KernelResources, parsePtxas } from './ptxas.ts';
import { type Instruction, type LoopReport, readCubin, reportLoops } from './sass.ts';
import { issueSharesOf, slidingKernel } from './sliding.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));
/** Ignored by git. */
export const cacheFolder = join(root, 'build-cuda-static');

/** What nvcc is told beside what `cmake/cuda.cmake` tells it: no warning passes, and ptxas reports. */
const checkFlags = ['-Werror', 'all-warnings', '-Xcompiler', '-Wall,-Wextra', '-Xptxas', '-v'];

/** The CUDA toolkit on the PATH. */
export interface Toolkit {
  /** Such as `13.0`. */
  readonly version: string;
  /** Folder of its headers. */
  readonly include: string;
}

/** A kernel as one architecture gets it. */
export interface CompiledKernel extends KernelResources {
  /** Short, as `names.ts` makes it. */
  readonly kernel: string;
  /** Bytes of its machine code. */
  readonly codeBytes: number;
  /** Those that multiply. */
  readonly loops: readonly LoopReport[];
}

/** What the sources say of how they are compiled: native/sources.json. */
export interface CudaSources {
  readonly files: readonly string[];
  readonly flags: readonly string[];
  readonly architectures: readonly string[];
}

/** The toolkit, or undefined without nvcc. */
export function findToolkit(): Toolkit | undefined {
  const { status, stdout } = spawnSync('nvcc', ['--version'], { encoding: 'utf8' });
  if (status !== 0) return undefined;
  const { stderr } = spawnSync('nvcc', ['--dryrun', '-E', '-x', 'cu', '/dev/null'], { encoding: 'utf8' });
  return {
    version: /release ([\d.]+)/.exec(stdout)?.[1] ?? 'of unknown version',
    include: /INCLUDES="-I([^"]+)"/.exec(stderr)?.[1] ?? '',
  };
}

/** Reads native/sources.json. */
export function cudaSources(): CudaSources {
  const { cuda, nvcc } = JSON.parse(readFileSync(join(root, 'native/sources.json'), 'utf8'));
  return { files: cuda, flags: nvcc.flags, architectures: nvcc.architectures };
}

/** Options of {@link compileKernels}. */
export interface CompileOptions {
  /** Compilations at once. */
  readonly jobs: number;
  /** Called after each one that was not known before. */
  readonly onCompiled?: (file: string, architecture: string, seconds: number) => void;
}

/** Every kernel for every architecture. Throws with the compiler's output where a file does not compile. */
export async function compileKernels(
  toolkit: Toolkit,
  { jobs, onCompiled }: CompileOptions,
): Promise<CompiledKernel[]> {
  const { files, flags, architectures } = cudaSources();
  const reader = ['sass', 'sliding', 'pipeline', 'names'].map((name) => text(`bench/cuda_static/${name}.ts`));
  const shared = hashOf([toolkit.version, ...reader, ...flags, ...checkFlags]);
  const contents = new Map(
    files.map((file) => [file, hashOf(withIncludes(file).flatMap((path) => [path, text(path)]))]),
  );
  mkdirSync(cacheFolder, { recursive: true });
  // Those with most text first: the last to end decides how long all take.
  const length = (file: string) => withIncludes(file).reduce((total, path) => total + text(path).length, 0);
  const targetsOf = (file: string) => (file.endsWith('.cu') ? architectures : architectures.slice(0, 1));
  const work = files
    .flatMap((file) => targetsOf(file).map((architecture) => ({ file, architecture })))
    .sort((a, b) => length(b.file) - length(a.file));
  const compiled = new Map<string, Compiled>();
  const takeWork = async () => {
    for (let next = work.shift(); next !== undefined; next = work.shift()) {
      const { file, architecture } = next;
      // One architecture also compiles what runs on the host, warnings and all; that is all of a file without kernels.
      const host = architecture === architectures[0];
      const cache = join(cacheFolder, `${hashOf([shared, contents.get(file) ?? '', architecture, String(host)])}.json`);
      if (!existsSync(cache)) {
        const start = performance.now();
        const result = await runNvcc(file, architecture, host, flags).catch((error) => {
          work.length = 0; // nobody waits for the rest
          throw error;
        });
        writeFileSync(`${cache}.${process.pid}`, JSON.stringify(result));
        renameSync(`${cache}.${process.pid}`, cache);
        onCompiled?.(file, architecture, (performance.now() - start) / 1000);
      }
      compiled.set(`${file} ${architecture}`, JSON.parse(readFileSync(cache, 'utf8')));
    }
  };
  await Promise.all(Array.from({ length: jobs }, takeWork));
  return named(files.map((file) => targetsOf(file).flatMap((a) => kernelsOf(compiled.get(`${file} ${a}`)!))));
}

/** What is kept of a compilation. */
interface Compiled {
  /** What the compiler printed. */
  readonly report: string;
  readonly codes: readonly { readonly symbol: string; readonly bytes: number; readonly loops: readonly LoopReport[] }[];
}

type UnnamedKernel = Omit<CompiledKernel, 'kernel'>;

function kernelsOf({ report, codes }: Compiled): UnnamedKernel[] {
  const bySymbol = new Map(codes.map((code) => [code.symbol, code]));
  return parsePtxas(report).map((resources) => {
    const code = bySymbol.get(resources.symbol);
    if (code === undefined) throw new Error(`expected code of ${resources.symbol} in what was compiled`);
    return { ...resources, codeBytes: code.bytes, loops: code.loops };
  });
}

/** Gives short names. Throws where two files have kernels of one name: tables could not tell them apart. */
function named(files: readonly (readonly UnnamedKernel[])[]): CompiledKernel[] {
  const owners = new Map<string, number>();
  return files.flatMap((kernels, file) => {
    const names = demangled(kernels.map(({ symbol }) => symbol));
    return kernels.map((resources, index) => {
      const kernel = shortName(names[index]) ?? names[index];
      if ((owners.get(kernel) ?? file) !== file)
        throw new Error(`expected one kernel named ${kernel} but two files have it`);
      owners.set(kernel, file);
      return { ...resources, kernel };
    });
  });
}

async function runNvcc(file: string, architecture: string, host: boolean, flags: readonly string[]): Promise<Compiled> {
  const folder = mkdtempSync(join(tmpdir(), 'dartsmith-nvcc-'));
  const target = `arch=compute_${architecture},code=sm_${architecture}`;
  const output = join(folder, `${basename(file)}.${host ? 'o' : 'cubin'}`);
  const wanted = host ? ['-c', '--keep', '--keep-dir', folder] : ['-cubin'];
  const args = [...flags, ...checkFlags, '-Inative', '-gencode', target, ...wanted, file, '-o', output];
  const nvcc = spawn('nvcc', args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let report = '';
  for (const stream of [nvcc.stdout, nvcc.stderr]) stream.setEncoding('utf8').on('data', (part) => (report += part));
  const status = await new Promise((resolve, reject) => nvcc.on('error', reject).on('close', resolve));
  try {
    if (status !== 0) throw new Error(`${file} does not compile for sm_${architecture}:\n${report}`);
    const codes = readdirSync(folder)
      .filter((name) => name.endsWith('.cubin'))
      .flatMap((name) => readCubin(readFileSync(join(folder, name))))
      .map(({ symbol, instructions }) => ({
        symbol,
        bytes: instructions.length * 16,
        loops: loopsOf(symbol, instructions),
      }));
    return { report, codes };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function loopsOf(symbol: string, instructions: readonly Instruction[]): LoopReport[] {
  const [name] = demangled([symbol]);
  const sliding = slidingKernel(shortName(name) ?? name);
  return reportLoops(instructions, sliding && ((parts) => issueSharesOf(sliding, parts)));
}

/** A source with all headers of ours that it includes, directly or not. */
function withIncludes(file: string): string[] {
  const found = new Set([file]);
  for (const path of found) {
    for (const [, name] of text(path).matchAll(/^\s*#\s*include\s+"([^"]+)"/gm)) found.add(join('native', name));
  }
  return [...found].sort();
}

function text(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

export function hashOf(parts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('hex').slice(0, 32);
}
