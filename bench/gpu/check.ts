// `npm run gpu:check`: everything that can only be proved and measured on a GPU, each stage in a process of its own, into one
// JSON file and one readable table. What has to hold comes first; after each stage both files are written anew.
import { DartsmithError } from '../../src/errors.ts';
import { runChild } from './child.ts';
import { readOptions, usage } from './options.ts';
import { runCheck } from './run.ts';

try {
  const options = readOptions(process.argv.slice(2), process.env);
  if (options === undefined) console.log(usage);
  else if (options.child !== undefined) await runChild(options, options.child);
  else process.exitCode = (await runCheck(options)) ? 0 : 1;
} catch (error) {
  const isUsage = error instanceof DartsmithError || error instanceof TypeError;
  if (!isUsage) throw error;
  console.error(`gpu:check: ${error.message}`);
  process.exitCode = 2;
}
