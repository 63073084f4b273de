import { recurrentGenotypes } from '../genotype/published/recurrent.ts';
import { genotypes } from '../genotype/published.ts';
import { wrapped } from './format.ts';

/** Beginnings that the same endings follow: those are listed once, behind an X. */
const twins = ['darts_pt_', 'blank_pt_'];

/** The names of published genotypes on lines that fit a narrow terminal, those behind the first one indented. */
export function publishedNames(): string {
  const names = Object.keys(genotypes);
  const endings = endingsOf(twins[0], names);
  const others = names.filter((name) => !twins.some((beginning) => name.startsWith(beginning)));
  const patterns = twins.map((beginning) => `${beginning}X`);
  return [
    wrapped(inSeries([...others, ...patterns]).join(', '), 76),
    wrapped(`where X is ${inSeries(endings).join(', ')}`, 76),
    wrapped(`recurrent cells: ${Object.keys(recurrentGenotypes).join(', ')}`, 76),
  ].join('\n  ');
}

function endingsOf(beginning: string, names: readonly string[]): string[] {
  return names.filter((name) => name.startsWith(beginning)).map((name) => name.slice(beginning.length));
}

/** Names, of which three and more that end in consecutive letters or digits stand as one: FairDARTS_a to g. */
function inSeries(names: readonly string[]): string[] {
  const series: string[][] = [];
  for (const name of names) {
    const last = series.at(-1);
    if (last !== undefined && isNext(last[last.length - 1], name)) last.push(name);
    else series.push([name]);
  }
  return series.flatMap((list) => (list.length < 3 ? list : [`${list[0]} to ${list[list.length - 1].slice(-1)}`]));
}

function isNext(name: string, next: string): boolean {
  const [stem, end] = [name.slice(0, -1), name.charCodeAt(name.length - 1)];
  return next === stem + String.fromCharCode(end + 1);
}
