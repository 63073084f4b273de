// What the design of the CUDA kernels takes for granted of a GPU, measured by a program of its own.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Context } from '../context.ts';
import { figureText } from '../figures.ts';
import type { StageOutcome } from '../outcome.ts';

interface Fact {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

const source = fileURLToPath(new URL('../facts.cu', import.meta.url));

/** Compiles facts.cu and runs it where there is a GPU; elsewhere it only has to compile. */
export async function measureFacts({ backend, progress, keep }: Context): Promise<StageOutcome> {
  if (spawnSync('nvcc', ['--version']).status !== 0) return { skipped: 'there is no nvcc on the PATH' };
  const folder = mkdtempSync(join(tmpdir(), 'dartsmith-facts-'));
  try {
    const program = join(folder, 'facts');
    progress('compiling facts.cu');
    const architecture = backend === 'cuda' ? 'native' : 'sm_90';
    const { status, stderr } = spawnSync(
      'nvcc',
      ['-std=c++20', '-O3', `-arch=${architecture}`, source, '-o', program],
      { encoding: 'utf8' },
    );
    if (status !== 0) throw new Error(`facts.cu does not compile: ${stderr.trim().slice(-500)}`);
    if (backend !== 'cuda') return { skipped: 'facts.cu compiles; there is no GPU to run it on' };
    const facts: Fact[] = [];
    const outcome = (): StageOutcome => ({
      rows: facts.map(({ name, value, unit }) => ({ fact: name, value: figureText(value), unit })),
      data: { measured: facts },
    });
    await linesOf(program, (line) => {
      facts.push(JSON.parse(line));
      progress(line);
      keep(outcome());
    });
    return outcome();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs a program and hands on what it prints, line by line. Rejects where it does not end well. */
function linesOf(program: string, onLine: (line: string) => void): Promise<void> {
  const child = spawn(program, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [rest, stderr] = ['', ''];
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(stderr.trim() || `exit code ${code}`))));
  });
}
