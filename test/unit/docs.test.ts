// The documents hold together: every link leads somewhere, and README stays a page or two.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../helpers/process.ts';

const pages = execFileSync('git', ['ls-files', '*.md'], { cwd: root, encoding: 'utf8' }).trim().split('\n');

const read = (page: string) => readFileSync(join(root, page), 'utf8');

/** A page without its blocks of code, in which nothing is a link or a heading. */
const prose = (page: string) => read(page).replace(/^```[\s\S]*?^```$/gm, '');

/** What links to a heading say: its letters in lower case, spaces as hyphens, without punctuation. */
const anchor = (heading: string) =>
  heading
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .trim()
    .toLowerCase()
    .replaceAll(' ', '-');

const anchorsOf = (page: string) => [...prose(page).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchor(heading));

/** Relative links of a page, each as it stands there. */
const linksOf = (page: string) =>
  [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link).filter((link) => !/^[a-z]+:/.test(link));

function leadsNowhere(page: string, link: string): boolean {
  const [path, fragment] = link.split('#');
  const target = path === '' ? page : join(dirname(page), path);
  if (!existsSync(join(root, target))) return true;
  return fragment !== undefined && !anchorsOf(target).includes(fragment);
}

describe('documents', () => {
  it.each(pages)('%s links to files and headings that are there', (page) => {
    expect(linksOf(page).filter((link) => leadsNowhere(page, link))).toEqual([]);
  });

  it('are reached from the README or a page that it links to', () => {
    const reached = new Set(['README.md']);
    for (const page of reached) {
      for (const link of linksOf(page)) {
        const target = join(dirname(page), link.split('#')[0]);
        if (target.endsWith('.md')) reached.add(target);
      }
    }
    expect(pages.filter((page) => !reached.has(page))).toEqual([]);
  });

  it('README has at most 150 lines of at most 100 columns', () => {
    const lines = read('README.md').trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(150);
    expect(lines.filter((line) => line.length > 100)).toEqual([]);
  });

  it('cite nothing that is not in the repository', () => {
    expect(pages.filter((page) => /\bDESIGN\b/.test(read(page)))).toEqual([]);
    const cited = /`((?:src|test|bench|scripts|native|docs|examples|cmake)\/[\w./-]+)`/g;
    const paths = pages.flatMap((page) => [...read(page).matchAll(cited)].map(([, path]) => path));
    expect(paths.length).toBeGreaterThan(20);
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});
