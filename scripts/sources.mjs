// Prints what binding.gyp needs from native/sources.json: `sources GROUP...` or `flags INSTRUCTION_SET`.
import { readFileSync } from 'node:fs';
import process from 'node:process';

const lists = JSON.parse(readFileSync(new URL('../native/sources.json', import.meta.url), 'utf8'));
const [what, ...names] = process.argv.slice(2);
if (what === 'sources') {
  for (const name of names) for (const file of lists[name]) console.log(file);
} else if (what === 'flags') {
  for (const sets of Object.values(lists.instruction_sets)) {
    if (!(names[0] in sets)) continue;
    for (const flag of sets[names[0]]) console.log(flag);
    break;
  }
}
