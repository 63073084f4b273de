import { execFileSync } from 'node:child_process';

/** Makes a pipe with a name that nobody ever writes to: who opens it waits for ever. Not on Windows. */
export function makePipe(path: string): void {
  execFileSync('mkfifo', [path]);
}
