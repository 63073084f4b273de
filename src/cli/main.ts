import { isatty } from 'node:tty';
import { exitCodes } from './exit_codes.ts';
import { runCommandLine } from './program.ts';

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // A command that works listens itself, and ends as interrupted.
  if (process.stdout.listenerCount('error') > 1) return;
  // Of text that was there at once: a reader that has seen enough (`| head`) is no failure.
  if (error.code === 'EPIPE') process.exit(exitCodes.done);
  process.stderr.write(`dartsmith: cannot write to stdout: ${error.message}\n`);
  process.exit(exitCodes.failed);
});
// What cannot be said there cannot be said at all; the exit code tells it.
process.stderr.on('error', () => {});

// Warnings of our own are a line, over whatever goes on in the last one; others are told as Node tells them.
const tellers = process.listeners('warning');
process.removeAllListeners('warning');
process.on('warning', (warning: NodeJS.ErrnoException) => {
  const own = typeof warning.code === 'string' && warning.code.startsWith('DARTSMITH_') && tellers.length > 0;
  if (own) process.stderr.write(`${process.stderr.isTTY ? '\r\x1b[K' : ''}dartsmith: ${warning.message}\n`);
  else for (const tell of tellers) tell(warning);
});

const onTerminal = [0, 1, 2].some(isatty);
const exitCode = await runCommandLine(process.argv.slice(2));
// Node aborts where it cannot set back a terminal that has gone. The signal itself ends the process, which shells count as the same.
if (exitCode === exitCodes.hungUp && onTerminal) process.kill(process.pid, 'SIGHUP');
process.exitCode = exitCode;
