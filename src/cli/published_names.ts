import { genotypes } from '../genotype/published.ts';
import { wrapped } from './format.ts';

/** The names of published genotypes on lines that fit a narrow terminal, those behind the first one indented. */
export function publishedNames(): string {
  return wrapped(inSeries(Object.keys(genotypes)).join(', '), 76);
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
