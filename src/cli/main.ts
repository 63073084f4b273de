import { exitCodes } from './failure.ts';
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

process.exitCode = await runCommandLine(process.argv.slice(2));
