// The command as a user types it, in this process.
import { vi } from 'vitest';
import { runCommandLine } from '../../src/cli/program.ts';

/** Runs `dartsmith ARGS`; gives its exit code and what it printed. */
export async function dartsmith(...args: readonly string[]) {
  let [stdout, stderr] = ['', ''];
  const out = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    stdout += text;
    return true;
  });
  const err = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += text;
    return true;
  });
  try {
    const code = await runCommandLine(args);
    return { code, stdout, stderr };
  } finally {
    out.mockRestore();
    err.mockRestore();
  }
}
