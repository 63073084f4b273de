// Prints what binding.gyp needs from native/sources.json: `sources GROUP...`, `flags INSTRUCTION_SET`, or `sets ARCHITECTURE`, the
// instruction sets to build between commas: the one that DARTSMITH_ISA names, else all.
import { readFileSync } from 'node:fs';
import process from 'node:process';

const lists = JSON.parse(readFileSync(new URL('../native/sources.json', import.meta.url), 'utf8'));
const [what, ...names] = process.argv.slice(2);
if (what === 'sources') {
  for (const name of names) for (const file of lists[name]) console.log(file);
} else if (what === 'sets') {
  const processors = { x64: 'x86_64', arm64: 'aarch64' };
  const sets = Object.keys(lists.instruction_sets[processors[names[0]] ?? 'other']);
  const { DARTSMITH_ISA: chosen } = process.env;
  console.log(`,${sets.includes(chosen) ? chosen : sets.join()},`);
} else if (what === 'flags') {
  const sets = Object.values(lists.instruction_sets).find((sets) => names[0] in sets);
  for (const flag of sets[names[0]]) console.log(flag);
}
