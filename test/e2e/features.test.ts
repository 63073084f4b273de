// From a search in stages to the groups of its candidates, as a user types it.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { cli, runProcess } from '../helpers/process.ts';
import { scratch } from '../helpers/scratch.ts';

const genotypeOf = (text: string) => /Genotype.*/.exec(text)?.[0];
const dartsmith = (...args: string[]) => runProcess(process.execPath, [cli, ...args], { cwd: scratch() });

it('a search by StacNAS, its second stage again, and what its candidates compute', async () => {
  const folder = scratch();
  const [found, again] = ['found', 'again'].map((name) => join(folder, name));
  const sizes = ['--limit', '48', '--batch-size', '16', '--epochs', '1', '--init-channels', '2', '--layers', '3'];
  const search = ['search', '--method', 'stacnas', ...sizes, '--search2-layers', '3'];
  const whole = await dartsmith(...search, '--out', found);
  expect(whole.stderr).toContain('stages of 3 and 3 cells: shallow ones were found to choose badly');
  expect(whole.stderr).toMatch(/stage search1: 1 epoch\n/);
  expect(whole.stderr).toMatch(/stage search2: 3 cells, [\d.]+ k? ?parameters, 1 epoch\n/);
  const second = await dartsmith(...search, '--stage', 'search2', '--from', found, '--out', again);
  expect(genotypeOf(second.stdout)).toBe(genotypeOf(whole.stdout));

  const { code, stdout } = await dartsmith('features', found, '--images', '8', '--groups', '2');
  expect({ code, groups: stdout.match(/\{/g)?.length }).toEqual({ code: 0, groups: 2 });
  const names = readdirSync(join(found, 'features'));
  for (const name of ['features.json', 'correlation.svg', 'correlation.png', 'corr_cell2_node3_edge4.txt']) {
    expect(names).toContain(name);
  }
  expect(names.filter((name) => /^dist_cell0_node0_edge0_group[234]\.(svg|png)$/.test(name))).toHaveLength(6);
  const rows = readFileSync(join(found, 'features', 'corr_cell0_node0_edge0.txt'), 'utf8').split('\n');
  expect(rows[0]).toMatch(/^ {2}1\.0000(, *-?\d\.\d{4}){3}$/);
  const json = await dartsmith('features', found, '--images', '8', '--json', '--threads', '1');
  expect(JSON.parse(json.stdout)).toMatchObject({ stage: 'search1', images: 8 });
});
