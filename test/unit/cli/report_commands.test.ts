// draw --animate and report as a user types them.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { publishedGenotypes } from '../../../src/genotype/published.ts';
import { dartsmith } from '../../helpers/command_line.ts';
import { scratch } from '../../helpers/scratch.ts';
import { searchRecords, writeJournal } from '../../helpers/written_run.ts';

const genotypes = ['DARTS_V1', 'DARTS_V2'].map((name) => publishedGenotypes[name]);

/** A run without a config.json, which is told of and hides nothing. */
function aRun(): string {
  return writeJournal(join(scratch(), 'mine'), searchRecords({ genotypes }));
}

describe('dartsmith draw --animate', () => {
  it('writes an SVG, or a GIF by the ending of its name', async () => {
    const run = aRun();
    const [svg, gif] = ['svg', 'gif'].map((ending) => join(scratch(), `x.${ending}`));
    expect(await dartsmith('draw', '--animate', run, '--out', svg)).toMatchObject({
      code: 0,
      stdout: `wrote ${svg}\n`,
    });
    expect(readFileSync(svg, 'utf8')).toContain('epoch 2 of 2, validation accuracy 20.0%');
    expect((await dartsmith('draw', '--animate', run, '--fps', '10', '--stage', 'search', '--out', gif)).code).toBe(0);
    expect(readFileSync(gif).subarray(0, 6).toString()).toBe('GIF89a');
  });

  it('prints SVG where no file is named, and what is wrong with the run beside it', async () => {
    const { code, stdout, stderr } = await dartsmith('draw', '--animate', aRun());
    expect({ code, head: stdout.slice(0, 5) }).toEqual({ code: 0, head: '<svg ' });
    expect(stderr).toMatch(/^mine: .*config\.json.*\n$/);
  });

  it.each<[readonly string[], RegExp]>([
    [['--out', 'x.png'], /a file name that ends in \.svg or \.gif for --out but received 'x\.png'/],
    [['--fps', '0'], /--fps/],
    [['--stage', 'x'], /one of mine's \(search\) for stage but received 'x'/],
    [['--cell', 'normal'], /--animate is drawn by itself: leave out --cell/],
    [['--kind', 'grid'], /--animate is drawn by itself: leave out --kind/],
    [['--scores', 'x'], /--animate is drawn by itself: leave out --scores/],
    [['DARTS_V2'], /--animate is drawn by itself: leave out DARTS_V2/],
  ])('refuses %s', async (args, message) => {
    const { code, stdout, stderr } = await dartsmith('draw', ...args, '--animate', aRun());
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
  });

  it('refuses a run without genotypes, and frames a second of what does not move', async () => {
    const begun = writeJournal(join(scratch(), 'begun'), searchRecords({ genotypes: [] }));
    expect((await dartsmith('draw', '--animate', begun)).stderr).toMatch(/no epoch is done yet\n$/);
    expect((await dartsmith('draw', 'DARTS_V2', '--fps', '3')).stderr).toMatch(/--fps is for --animate/);
    expect((await dartsmith('draw', '--animate', scratch())).stderr).toMatch(/holds no journal/);
  });
});

describe('dartsmith report', () => {
  it('writes a page with its figures, and tells what is wrong', async () => {
    const folder = scratch();
    const out = join(folder, 'x.html');
    const records = searchRecords({ genotypes }).filter((record) => !('tables' in record));
    const run = writeJournal(join(folder, 'run'), records);
    const figures = join(folder, 'pictures');
    const { code, stdout, stderr } = await dartsmith(
      'report',
      run,
      join(folder, 'none'),
      '--out',
      out,
      '--figures',
      figures,
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/^wrote .*x\.html\nand 7 figures beside it, such as .*pictures/);
    expect(stderr).toMatch(/^cannot read .*none/);
    expect(readFileSync(out, 'utf8')).toContain('cannot read');
    expect(existsSync(figures)).toBe(true);
  });

  it('wants runs, a page, and one of them that can be read', async () => {
    expect(await dartsmith('report', '--out', 'x.html')).toMatchObject({ code: 2, stdout: '' });
    expect((await dartsmith('report', 'runs')).stderr).toMatch(/--out/);
    expect((await dartsmith('report', aRun(), '--out', 'x.pdf')).stderr).toMatch(
      /ends in \.html for out but received 'x\.pdf'/,
    );
    const { code, stderr } = await dartsmith('report', scratch(), '--out', join(scratch(), 'x.html'));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^dartsmith: .* holds no run: expected a run directory, or a folder with some\n$/);
  });
});
