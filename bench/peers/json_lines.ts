import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A child process that answers one JSON line on stdout for each JSON line on stdin, in order. */
export interface JsonLinesProcess {
  /** Rejects when the process has ended or its answer has an `error`. */
  ask(request: object): Promise<Record<string, unknown>>;
  /** Ends the process and waits until it is gone. */
  close(): Promise<void>;
  /** Ends the process at once, whatever it does. */
  kill(): Promise<void>;
}

interface Waiting {
  readonly resolve: (answer: Record<string, unknown>) => void;
  readonly reject: (error: Error) => void;
}

/** Starts a process of that protocol. */
export function startJsonLines(command: string, args: readonly string[]): JsonLinesProcess {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const waiting: Waiting[] = [];
  let stderr = '';
  let ended: Error | undefined;

  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-2000);
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const answer = JSON.parse(line) as Record<string, unknown>;
    const { resolve, reject } = waiting.shift()!;
    if (typeof answer.error === 'string') reject(new Error(`${command}: ${answer.error}`));
    else resolve(answer);
  });
  // A request to a process that just died must reject through `close` below, not crash us with EPIPE.
  child.stdin.on('error', () => {});
  const closed = new Promise<void>((resolve) => {
    const end = (reason: string) => {
      ended ??= new Error(`${command} ended: ${reason} ${stderr}`.trim());
      for (const { reject } of waiting.splice(0)) reject(ended);
      resolve();
    };
    child.on('error', (error) => end(error.message));
    child.on('close', (code, signal) => end(`exit code ${code ?? signal}`));
  });

  return {
    ask: (request) =>
      new Promise((resolve, reject) => {
        if (ended !== undefined) return reject(ended);
        waiting.push({ resolve, reject });
        child.stdin.write(`${JSON.stringify(request)}\n`);
      }),
    close: () => {
      child.stdin.end();
      return closed;
    },
    kill: () => {
      child.kill('SIGKILL');
      return closed;
    },
  };
}
