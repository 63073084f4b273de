// Imports point downwards only: a folder of src uses those below it, and no files of src import one another in a circle.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

/** Folders of src from the top down; those of one line do not use one another. Files of src itself lie at the bottom or on top. */
const layers = [
  ['cli'],
  ['protocol', 'dashboard'],
  ['run'],
  ['methods'],
  ['learn', 'exchange'],
  ['report'],
  ['select', 'kernels', 'features', 'statistics'],
  ['network', 'reference'],
  ['space', 'load'],
  ['skeleton'],
  ['operation', 'genotype', 'backend'],
  ['data', 'benchmark'],
  ['io', 'augment'],
  ['graph', 'random'],
];

/** What programs import, above everything. */
const entries = [
  ...['correlate.ts', 'index.ts', 'kernels.ts', 'language_model.ts', 'search.ts', 'selection.ts', 'tfjs.ts'],
  'train.ts',
];

const root = fileURLToPath(new URL('../../src', import.meta.url));

/** Each file of src, as `folder/file.ts`, with those that it imports, types included. */
function importsOfFiles(): Map<string, string[]> {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => /\.(c?ts|tsx)$/.test(name));
  return new Map(
    names.map((name) => {
      const text = readFileSync(join(root, name), 'utf8');
      const found = [...text.matchAll(/(?:from |import\()'(\.[^']+)'/g)];
      const at = found.map(([, path]) => relative(root, join(root, dirname(name), path)));
      return [name.split(sep).join('/'), at.map((path) => path.split(sep).join('/'))];
    }),
  );
}

/** From 0 at the top; files of src itself are below everything, but for those that programs import. */
function depthOf(name: string): number {
  if (entries.includes(name)) return -1;
  const [folder, ...rest] = name.split('/');
  if (rest.length === 0) return layers.length;
  const depth = layers.findIndex((line) => line.includes(folder));
  if (depth < 0) throw new Error(`no layer for src/${folder}: add it where it belongs`);
  return depth;
}

/** Of src itself for a file that lies there. */
function folderOf(name: string): string {
  return dirname(name).split('/')[0];
}

/** Of imports that do not point downwards. */
function upward(imports: ReadonlyMap<string, readonly string[]>): string[] {
  const isUpward = (from: string, to: string) => depthOf(to) <= depthOf(from) && folderOf(from) !== folderOf(to);
  return [...imports].flatMap(([from, to]) =>
    to.filter((name) => isUpward(from, name)).map((name) => `${from} imports ${name}`),
  );
}

/** The files of one circle, where there is one. */
function circle(imports: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (name: string): string[] => {
    if (path.includes(name)) return path.slice(path.indexOf(name));
    if (done.has(name)) return [];
    path.push(name);
    for (const next of imports.get(name) ?? []) {
      const found = visit(next);
      if (found.length > 0) return found;
    }
    path.pop();
    done.add(name);
    return [];
  };
  for (const name of imports.keys()) {
    const found = visit(name);
    if (found.length > 0) return found;
  }
  return [];
}

describe('the layers of src', () => {
  const imports = importsOfFiles();

  it('are seen: many files, each of which is there', () => {
    expect(imports.size).toBeGreaterThan(150);
    const known = new Set(imports.keys());
    expect([...imports.values()].flat().filter((name) => !known.has(name) && name !== 'processors.js')).toEqual([]);
  });

  it('import downwards only', () => {
    expect(upward(imports)).toEqual([]);
    expect(upward(new Map([['graph/a.ts', ['cli/b.ts']]]))).toEqual(['graph/a.ts imports cli/b.ts']);
  });

  it('know methods by their description: a method is named in the registry and in what programs import alone', () => {
    const named = [...imports].flatMap(([from, to]) =>
      folderOf(from) === 'methods' || entries.includes(from)
        ? []
        : to.filter((name) => /^methods\/\w+\//.test(name)).map((name) => `${from} imports ${name}`),
    );
    expect(named).toEqual([]);
  });

  it('have no circle among files', () => {
    expect(circle(imports)).toEqual([]);
    expect(
      circle(
        new Map([
          ['a', ['b']],
          ['b', ['c']],
          ['c', ['b']],
        ]),
      ),
    ).toEqual(['b', 'c']);
  });

  it('name their files in snake case', () => {
    expect([...imports.keys()].filter((name) => !/^[a-z0-9_/]+\.(c?ts|tsx)$/.test(name))).toEqual([]);
  });
});
