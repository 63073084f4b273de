import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Context } from '../context.ts';
import type { Check, StageOutcome } from '../outcome.ts';

const program = 'compute-sanitizer';
const tools = ['memcheck', 'racecheck'] as const;
/** Of each tool; what it takes longer for is left out. */
const secondsEach = 150;
/** What the tool ends with where it found something; any number that Node does not end with. */
const foundSomething = 77;

/** Kernels and search steps at a small size under NVIDIA's checkers of memory accesses and of races in shared memory. */
export async function runSanitizers(context: Context): Promise<StageOutcome> {
  try {
    await promisify(execFile)(program, ['--version']);
  } catch {
    return { skipped: `${program} is not on the PATH` };
  }
  const checks: Check[] = [];
  const leftOut: Record<string, string> = {};
  for (const tool of tools) {
    const seconds = Math.min(secondsEach, context.secondsLeft());
    context.progress(`${tool} (at most ${Math.round(seconds)} s)`);
    const { code, killed, output } = await sanitize(tool, context.backend, seconds);
    const summary =
      output
        .split('\n')
        .findLast((line) => /SUMMARY|Error|error/.test(line))
        ?.trim() ?? '';
    if (killed) leftOut[tool] = `it did not come to its end within ${Math.round(seconds)} s`;
    else if (/not supported|failed to (initialize|attach)/i.test(output)) leftOut[tool] = summary;
    else checks.push({ name: `${tool} finds nothing`, passed: code === 0, note: code === 0 ? summary : tail(output) });
    context.keep({ checks, leftOut });
  }
  return checks.length === 0 ? { skipped: Object.values(leftOut).join('; ') } : { checks, leftOut };
}

function sanitize(
  tool: string,
  backend: string,
  seconds: number,
): Promise<{ code: number; killed: boolean; output: string }> {
  const script = fileURLToPath(new URL(`../sanitized${extension}`, import.meta.url));
  const node = [process.execPath, ...process.execArgv, script, backend];
  const args = ['--tool', tool, '--error-exitcode', String(foundSomething), ...node];
  return new Promise((resolve) => {
    const options = { timeout: Math.max(1, seconds) * 1000, killSignal: 'SIGKILL', maxBuffer: 2 ** 26 } as const;
    execFile(program, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : Number(error.code ?? 1);
      resolve({ code, killed: error?.killed === true, output: `${stdout}\n${stderr}` });
    });
  });
}

/** Of this file: `.ts` in a checkout, `.js` in a pack. */
const extension = import.meta.url.slice(-3);

/** The last lines, where the first report of a tool is already told by the others alike. */
function tail(output: string): string {
  return output.trim().split('\n').slice(-15).join('\n');
}
