// Reads the machine code of the CPU kernels as they were built here, and as Debian's cross compiler builds them for Arm, and fails where
// an innermost loop of arithmetic goes by the stack and scripts/cpu_spills.json does not list it. Option: --all lists every loop.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { armCompilerLack, armObjdump, compileForArm } from '../support/arm.ts';
import { judgeSpills, type Permitted } from '../support/permitted.ts';
import { printTable } from '../support/report.ts';
import { type InnerLoop, innerLoops } from './loops.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const list = 'scripts/cpu_spills.json';
/** Whose registers the list is about: another compiler allocates others. */
const compiler = 'GCC 12';

/** The object files of the kernels for an instruction set. */
interface Objects {
  readonly architecture: string;
  readonly objdump: string;
  readonly files: readonly string[];
}

/** Prints what the loops are like and what is wrong with them; gives the exit code. */
export function checkCpu(args: readonly string[]): number {
  const { values } = parseArgs({ args: [...args], options: { all: { type: 'boolean', default: false } } });
  const built = [...objectsIn(join(root, 'build-cmake'), 'objdump'), ...armObjects()];
  if (built.length === 0) {
    console.log('check:cpu skipped: there is no build-cmake, which DARTSMITH_BUILD=cmake npm run build:native makes');
    return 0;
  }
  const found = built.flatMap((objects) =>
    loopsOf(objects).map((loop) => ({ ...loop, architecture: objects.architecture, amount: loop.stackAccesses })),
  );
  const judged = new Set<string>();
  for (const { architecture, files } of built) {
    const maker = compilerOf(files[0]);
    if (maker.startsWith(compiler)) judged.add(architecture);
    else console.log(`${architecture} is not judged: ${list} is about what ${compiler} makes, and this is of ${maker}`);
  }
  const permitted: Permitted[] = JSON.parse(readFileSync(join(root, list), 'utf8'));
  const { refused, idle } = judgeSpills(
    found.filter(({ architecture }) => judged.has(architecture)),
    permitted,
  );
  const shown = found.filter(({ amount }) => values.all || amount > 0);
  const verdict = (loop: (typeof found)[number]) =>
    refused.includes(loop) ? 'REFUSED' : judged.has(loop.architecture) ? 'listed' : 'not judged';
  printTable(shown.map((loop) => ({ ...rowOf(loop), verdict: loop.amount === 0 ? '' : verdict(loop) })));
  for (const { architecture } of built) {
    const loops = found.filter((loop) => loop.architecture === architecture);
    const clean = loops.filter(({ amount }) => amount === 0).length;
    console.log(`${architecture}: ${clean} of ${loops.length} inner loops keep to registers`);
  }
  for (const { kernel, architecture } of idle.filter(
    (entry) => entry.architecture === '*' || judged.has(entry.architecture),
  )) {
    console.log(`${list}: no loop needs the entry of ${kernel} on ${architecture} any more`);
  }
  if (refused.length > 0)
    console.log(`${refused.length} loops go by the stack and are not listed in ${list} with a reason`);
  return refused.length > 0 ? 1 : 0;
}

function rowOf({
  architecture,
  kernel,
  multiplyAdds,
  instructions,
  stackAccesses,
}: InnerLoop & { architecture: string }) {
  return { architecture, kernel, 'multiply-adds': multiplyAdds, instructions, 'of the stack': stackAccesses };
}

/** Those of a folder that cmake built in. */
function objectsIn(folder: string, objdump: string): Objects[] {
  const files = join(folder, 'CMakeFiles');
  if (!existsSync(files)) return [];
  return readdirSync(files).flatMap((name) => {
    const architecture = /^kernels_(\w+)\.dir$/.exec(name)?.[1];
    if (architecture === undefined) return [];
    const objects = join(files, name, 'native/cpu');
    if (!existsSync(objects)) return [];
    const names = readdirSync(objects).filter((file) => file.endsWith('.o'));
    return [{ architecture, objdump, files: names.map((file) => join(objects, file)) }];
  });
}

function armObjects(): Objects[] {
  const lack = armCompilerLack();
  if (lack === undefined) return objectsIn(compileForArm(), armObjdump);
  console.log(`check:cpu: kernels for Arm are left out: ${lack}`);
  return [];
}

function loopsOf({ objdump, files }: Objects): InnerLoop[] {
  return files.flatMap((file) => {
    const options = { encoding: 'utf8', maxBuffer: 1 << 28 } as const;
    const { status, stdout, stderr } = spawnSync(objdump, ['-d', '-C', '--no-show-raw-insn', file], options);
    if (status !== 0) throw new Error(`${objdump} cannot read ${file}: ${stderr}`);
    return innerLoops(stdout);
  });
}

/** Such as `GCC 12.2.0`, as the object file has it. */
function compilerOf(file: string): string {
  const { stdout } = spawnSync('readelf', ['-p', '.comment', file], { encoding: 'utf8' });
  const [, name, version] = /\b(GCC|clang)\b.*?(\d+\.\d+\.\d+)\s*$/m.exec(stdout ?? '') ?? [];
  return name === undefined ? 'an unknown compiler' : `${name} ${version}`;
}

if (import.meta.filename === process.argv[1]) process.exitCode = checkCpu(process.argv.slice(2));
