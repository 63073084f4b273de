import type { Command } from 'commander';
import type { Method } from '../methods/method.ts';
import { formatTable } from './format.ts';

/** Adds `dartsmith methods`. */
export function addMethodsCommand(program: Command, methods: readonly Method[]): void {
  program
    .command('methods')
    .summary('list the methods of search and train')
    .description('Lists the methods: dartsmith COMMAND --method NAME --help tells the settings of one.')
    .option('--json', 'print one JSON object a method')
    .action(({ json }: { json?: boolean }) => {
      const lines = json ? methods.map(jsonLine) : formatTable([titles, ...methods.map(row)]);
      process.stdout.write(`${lines.join('\n')}\n`);
    });
}

const titles = ['command', 'method', 'what it is', 'paper', 'presets', 'spaces'];

function row({ command, name, title, paper, presets, spaces = [] }: Method): string[] {
  return [command, name, title, paper, Object.keys(presets).join(', '), spaces.join(', ')];
}

function jsonLine({ describe: _, ...method }: Method): string {
  return JSON.stringify(method);
}
