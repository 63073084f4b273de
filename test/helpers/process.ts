import { spawn } from 'node:child_process';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder of the package. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/** The command as users start it. */
export const cli = join(root, 'dist/cli/bin.cjs');

/** How a process ended and what it printed. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a process is run. */
export interface ProcessOptions {
  readonly cwd: string;
  /** Added to this process's variables; undefined removes one. */
  readonly environment?: NodeJS.ProcessEnv;
  /** Gives way to the tests that run beside it: for what keeps every core busy for long. */
  readonly background?: boolean;
}

/** Runs a program to its end, without standard input. */
export function runProcess(
  program: string,
  args: readonly string[],
  { cwd, environment = {}, background = false }: ProcessOptions,
): Promise<Ended> {
  const env = { ...cleanEnvironment(), ...environment };
  const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  if (background && child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** The environment without what an outer npm tells the scripts of this package, and without this package's own variables. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const inner = /^(npm_(package|lifecycle)_|npm_config_(local_)?prefix$|INIT_CWD$|DARTSMITH_)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !inner.test(name)));
}

/** Runs the command with --json among `args`, kills it hard once it has told of some steps, and gives the signal that ended it. */
export async function killAfterSteps(args: readonly string[], steps = 2): Promise<NodeJS.Signals | null> {
  const child = spawn(process.execPath, [cli, ...args]);
  let seen = '';
  child.stdout.on('data', (text) => {
    seen += text;
    if (seen.split('"type":"step"').length > steps) child.kill('SIGKILL');
  });
  await new Promise((resolve) => child.on('close', resolve));
  return child.signalCode;
}
