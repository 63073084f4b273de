// dartsmith benchmark as a user types it.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { structureTexts } from '../../../src/benchmark/structure_index.ts';
import { dartsmith } from '../../helpers/command_line.ts';
import { root } from '../../helpers/process.ts';
import { scratch } from '../../helpers/scratch.ts';

const benchmark = (...args: readonly string[]) => dartsmith('benchmark', 'nasbench201', ...args);

/** Three cells, of which the latter two are isomorphic. */
function table(): string {
  const path = join(scratch(), 'table.csv');
  const [skips, one, other] = [1835, 406, 5747].map((index) => `${index},${structureTexts()[index]}`);
  const rows = [`${skips},54.297,36.84`, `${one},91.24,76.43`, `${other},91.085,`];
  writeFileSync(path, ['arch_index,arch_str,cifar10_test,cifar10_test_12ep', ...rows].join('\n'));
  return path;
}

describe('dartsmith benchmark nasbench201', () => {
  it('query prints what a cell comes to, by index or structure, and what the file cannot tell', async () => {
    const data = table();
    const { code, stdout } = await benchmark('query', '406', '--incomplete', '--data', data);
    expect(code).toBe(0);
    const lines = stdout.split('\n');
    expect(lines.slice(0, 2)).toEqual([`cell 406  ${structureTexts()[406]}`, 'isomorphic to cell 5747']);
    expect(lines.slice(3, 6).map((line) => line.split(/ {2,}/))).toEqual([
      ['column', 'hp', 'trained on', 'scored on', 'accuracy', 'rank', 'among isomorphic'],
      ['cifar10_test', '200', 'CIFAR-10', 'all test images', '91.240', '1 of 3', '1 of 2, 91.085 to 91.240'],
      ['cifar10_test_12ep', '12', 'CIFAR-10', 'all test images', '76.430', '1 of 2', '-'],
    ]);
    expect(stdout).toMatch(/table\.csv cannot tell:\nhp 200: cifar10_train cifar10_valid /);
    const structure = `Structure(4 nodes with ${structureTexts()[406]})`;
    expect((await benchmark('query', structure, '--incomplete', '--data', data)).stdout).toBe(stdout);
    const json = await benchmark('query', '1835', '--incomplete', '--data', data, '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({ index: 1835, accuracies: [{ accuracy: 54.297, rank: 3 }, {}] });
  });

  it('top lists the best, by test accuracy on CIFAR-10 unless told otherwise', async () => {
    const data = table();
    const { stdout } = await benchmark('top', '--incomplete', '--data', data, '--count', '2');
    expect(stdout.split('\n')).toEqual([
      'cifar10_test: trained on CIFAR-10 for 200 epochs, scored on all test images',
      '',
      'accuracy  index  structure',
      `  91.240    406  ${structureTexts()[406]}`,
      `  91.085   5747  ${structureTexts()[5747]}`,
      '',
    ]);
    const json = await benchmark('top', '--incomplete', '--data', data, '--json', '--by', 'cifar10_test_12ep');
    expect(JSON.parse(json.stdout)).toMatchObject({
      name: 'cifar10_test_12ep',
      cells: [{ index: 406 }, { index: 1835 }],
    });
  });

  it('convert writes a table that query reads', async () => {
    const out = join(scratch(), 'table.csv');
    const archive = join(root, 'test/fixtures/nasbench201/archive.tar');
    const { code, stdout } = await benchmark('convert', archive, '--out', out, '--incomplete');
    expect({ code, stdout }).toEqual({ code: 0, stdout: `wrote ${out}: 3 cells, 26 columns of accuracies\n` });
    expect(readFileSync(out, 'utf8')).toMatch(/^arch_index,arch_str,cifar10_test,cifar10_train,/);
    const query = await benchmark('query', '9', '--data', out, '--incomplete');
    expect(query.stdout).toContain('cifar100_train_12ep');
    expect(query.stdout).not.toContain('cannot tell');
    const json = await benchmark('convert', archive, '--out', out, '--incomplete', '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({ out, cells: 3, gaps: {} });
  });

  it.each([
    [['query', '1'], 2, "required option '--data <file>' not specified"],
    [['query', '15625', '--incomplete', '--data'], 2, 'expected an integer from 0 to 15624 for index'],
    [['query', '|none~0|', '--incomplete', '--data'], 2, 'for a structure but received'],
    [['query', '1', '--incomplete', '--data'], 1, 'has no row of cell 1'],
    [['query', '1', '--data'], 1, 'table.csv holds 3 of 15625 cells'],
    [['top', '--by', 'cifar10_tset', '--data'], 2, '(Did you mean cifar10_test?)'],
    [['top', '--by', 'cifar10_train', '--incomplete', '--data'], 2, 'has no column cifar10_train: it has cifar10_test'],
    [['top', '--count', '0', '--data'], 2, 'expected an integer of at least 1 for --count'],
    [['convert', 'nowhere', '--out', 'x.csv'], 1, 'cannot read nowhere: no such file or folder'],
    [['convert', 'nowhere'], 2, "required option '-o, --out <file>' not specified"],
  ])('%j is refused in a line', async (args, expected, message) => {
    const { code, stdout, stderr } = await benchmark(...args, ...(args.at(-1) === '--data' ? [table()] : []));
    expect({ code, stdout }).toEqual({ code: expected, stdout: '' });
    expect(stderr).toMatch(/^dartsmith: .*\n$/);
    expect(stderr).toContain(message);
  });
});
