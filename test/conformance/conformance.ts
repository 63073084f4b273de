// npm run conformance: every two backends that can be used here, on every node, on supernets, hypergradients and searches.
import { parseArgs } from 'node:util';
import { DartsmithError, invalid } from '../../src/errors.ts';
import { allAgree, matrixLines } from './matrix.ts';
import { openPlaces, placeNames, usablePlaces } from './places.ts';
import { type Result, runSubject, subjects } from './suite.ts';

const usage = `npm run conformance -- [options]: compares every two backends that can be used here.

  --backends A,B  only these of ${placeNames.join(', ')} (default: all that can be used)
  --quick         a few cases of each node

Exit code 0 when all agree, 1 when some do not, 2 for wrong usage.`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { backends: { type: 'string' }, quick: { type: 'boolean', default: false }, help: { type: 'boolean' } },
  });
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const names = values.backends === undefined ? await usablePlaces() : values.backends.split(',').map(placeName);
  if (names.length < 2) throw invalid('--backends', 'at least two, of those that can be used here', names.join(', '));
  const places = await openPlaces(names);
  const all = subjects(values.quick);
  const results: Result[] = [];
  for (const [index, subject] of all.entries()) {
    show(`${index + 1} of ${all.length}: ${subject.name}`);
    results.push(await runSubject(subject, places));
  }
  show('');
  console.log(matrixLines(places, results).join('\n'));
  for (const place of places) place[Symbol.dispose]();
  return allAgree(results) ? 0 : 1;
}

function placeName(text: string) {
  const name = placeNames.find((known) => known === text.trim());
  if (name === undefined) throw invalid('--backends', `names among ${placeNames.join(', ')}`, text.trim());
  return name;
}

/** One line that the next one replaces, on a terminal only. */
function show(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${text.slice(0, (process.stderr.columns ?? 80) - 1)}`);
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof DartsmithError || error instanceof TypeError)) throw error;
  console.error(`error: ${error.message}`);
  process.exitCode = 2;
}
