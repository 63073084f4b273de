// From a search to what its supernet misses, and to a selection whose scores are drawn, as a user types it.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { cli, runProcess } from '../helpers/process.ts';
import { scratch } from '../helpers/scratch.ts';

const dartsmith = (...args: string[]) => runProcess(process.execPath, [cli, ...args], { cwd: scratch() });

it('a search, the strength of its candidates, and the scores of a selection', async () => {
  const folder = scratch();
  const [found, selected] = ['found', 'selected'].map((name) => join(folder, name));
  const sizes = ['--limit', '48', '--batch-size', '16', '--epochs', '1', '--init-channels', '2', '--layers', '3'];
  await dartsmith('search', '--space', 's2', ...sizes, '--out', found);
  const { code, stdout } = await dartsmith('strength', found, '--edges', 'ends', '--images', '16', '--plain-scores');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^stage search, after 1 epoch: 16 validation images, the whole supernet \d+\.\d\d%, loss /);
  expect(stdout).toMatch(/^reduce\.3\.4 +skip_connect +-?0\.\d{4} +0\.\d{4} /m);
  expect(stdout).toMatch(/the largest weight is not the strongest candidate on \d of 4 edges\n/);
  const once = ['--converge', '1', '--edges', 'normal.0.1', '--images', '16', '--batch-size', '16'];
  expect((await dartsmith('strength', found, ...once)).stdout).toMatch(/^normal\.0\.1 .* 1( +<- .*)?$/m);
  expect(readdirSync(join(found, 'strength')).sort()).toEqual(
    ['converged', 'strength'].flatMap((name) => ['json', 'png', 'svg'].map((ending) => `${name}.${ending}`)),
  );
  const json = await dartsmith('strength', found, '--edges', '1', '--images', '16', '--json', '--proj-crit', 'loss');
  expect(JSON.parse(json.stdout)).toMatchObject({ measure: 'absence', criterion: 'loss', images: 16 });

  const options = ['--by', 'projection', '--preset', 'quick', '--batch-size', '24', '--out', selected];
  await dartsmith('select', found, ...options);
  const out = join(folder, 'scores.svg');
  expect((await dartsmith('draw', '--scores', selected, '--out', out)).stdout).toBe(`wrote ${out}\n`);
  expect(readFileSync(out, 'utf8')).toMatch(/^<svg .*normal cell.*reduction cell/s);
});

it.each([
  [['--edges', 'every'], 2, /for --edges but received 'every'/],
  [['--edges', '0'], 2, /for --edges but received '0'/],
  [['--images', '1'], 2, /an integer of at least 2 for --images/],
  [['--proj-crit', 'accuracy'], 2, /one of acc, loss for --proj-crit/],
  [['--patience', '2'], 2, /patience is for converge/],
  [[], 1, /nowhere holds no run: there is no config.json/],
])('strength with %j is refused in a line', async (args, expected, message) => {
  const { code, stdout, stderr } = await dartsmith('strength', 'nowhere', ...args);
  expect({ code, stdout }).toEqual({ code: expected, stdout: '' });
  expect(stderr).toMatch(message);
  expect(stderr.trimEnd().split('\n')).toHaveLength(1);
});
