// The list of runs as its server keeps it.
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { openDashboard } from '../../../src/dashboard/dashboard.ts';
import { RunList } from '../../../src/dashboard/run_list.ts';
import { readRunSummary } from '../../../src/run/view.ts';
import { makeRun } from '../../helpers/made_run.ts';
import { scratch } from '../../helpers/scratch.ts';

vi.mock('../../../src/run/view.ts', { spy: true });

const made = { epochs: 1, steps: 1 };
const listOf = (folder: string) => new RunList(folder, [], 20, () => {});

it('reads a run again that could not be read, though nothing was written to it', async () => {
  const folder = scratch();
  makeRun(join(folder, 'a'), made);
  const list = listOf(folder);
  vi.mocked(readRunSummary).mockRejectedValueOnce(new Error('EMFILE: too many open files'));
  await list.look();
  expect(list.listed.runs['a'].problems).toEqual(['EMFILE: too many open files']);
  await list.look();
  expect(list.listed.runs['a'].state).toBe('finished');
  await list.look();
  expect(readRunSummary).toHaveBeenCalledTimes(2);
});

it('is not waited for when its server ends', async () => {
  const folder = scratch();
  makeRun(join(folder, 'a'), made);
  vi.mocked(readRunSummary).mockReturnValueOnce(new Promise(() => {}));
  await (await openDashboard(folder, { port: 0 })).close();
});

it('looks through the folder for a name that it does not know only where it is told to', async () => {
  const folder = scratch();
  const list = listOf(folder);
  await list.look();
  makeRun(join(folder, 'a'), made);
  expect(await list.directoryOf('a')).toBeUndefined();
  expect(await list.find('a')).toBe(join(folder, 'a'));
  expect(await list.directoryOf('a')).toBe(join(folder, 'a'));
});
