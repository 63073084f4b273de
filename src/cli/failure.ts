import { CommanderError } from 'commander';
import { AbortedError, ArgumentError, DartsmithError } from '../errors.ts';
import { exitCodes } from './exit_codes.ts';
import { Interruption } from './interrupt.ts';

/** How a command that did not simply finish ends: its exit code, and the line to print where there is one. */
export interface Ending {
  readonly exitCode: number;
  readonly line?: string;
}

/** What an error that reached the top of the command means to the shell and to the person. */
export function endingOf(error: unknown): Ending {
  if (error instanceof CommanderError) return endingOfCommander(error);
  if (error instanceof ArgumentError) return { exitCode: exitCodes.usage, line: oneLine(error.message) };
  if (error instanceof AbortedError) {
    const exitCode = error.cause instanceof Interruption ? error.cause.exitCode : exitCodes.interrupted;
    return { exitCode, line: oneLine(error.message) };
  }
  if (error instanceof DartsmithError) return { exitCode: exitCodes.failed, line: oneLine(error.message) };
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return { exitCode: exitCodes.failed, line: `unexpected ${oneLine(text)} (DARTSMITH_DEBUG=1 shows where)` };
}

/** Help and version arrive as errors too: commander throws instead of ending the process. */
function endingOfCommander(error: CommanderError): Ending {
  if (error.exitCode === 0) return { exitCode: exitCodes.done };
  if (error.code === 'commander.help') return { exitCode: exitCodes.usage };
  const line = oneLine(error.message.replace(/^error: /, ''));
  return { exitCode: exitCodes.usage, line: line.includes('Did you mean') ? line : `${line} (see dartsmith --help)` };
}

/** Text without line ends and control characters, which a hostile file name may hold. */
function oneLine(text: string): string {
  return text
    .trim()
    .replace(/\s+/g, ' ')
    .replace(/\p{Cc}/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
