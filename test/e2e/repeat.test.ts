// dartsmith repeat, and event files of runs that are killed, as a user runs both.
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventFilesIn, readEventFile, scalarsOf, shownIn } from '../helpers/event_file.ts';
import { cli, killAfterSteps, runProcess } from '../helpers/process.ts';

const tiny =
  'search --dataset mnist --limit 64 --epochs 3 --batch-size 16 --init-channels 2 --layers 3 --threads 1 --checkpoint-seconds 0'.split(
    ' ',
  );

let folder: string;
const at = (name: string) => join(folder, name);
const dartsmith = (...args: string[]) => runProcess(process.execPath, [cli, ...args], { cwd: folder });
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'dartsmith-repeat-'));
  await dartsmith(...tiny, '--out', 'mine');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('dartsmith repeat', () => {
  it('ends with 0 and says that the bits are the same, however many threads', async () => {
    const { code, stdout } = await dartsmith('repeat', 'mine', '--threads', '2');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^epoch 1\/3 /m);
    expect(stdout).toMatch(/the same bits: \d+ records and 3 files of mine and .*mine-repeated\n$/);
  });

  it('goes on when it was killed, rather than starting over', async () => {
    expect(
      await killAfterSteps(['repeat', at('mine'), '--out', at('killed'), '--checkpoint-seconds', '0', '--json'], 3),
    ).toBe('SIGKILL');
    const { code, stdout, stderr } = await dartsmith('repeat', 'mine', '--out', 'killed');
    expect(stderr).toMatch(/resuming killed at epoch \d\/3/);
    expect(code).toBe(0);
    expect(stdout).toContain('the same bits');
  });

  it('ends with 1 and tells the first difference', async () => {
    cpSync(at('mine'), at('other'), { recursive: true });
    const config = readFileSync(at('other/config.json'), 'utf8');
    writeFileSync(at('other/config.json'), config.replace('"seed": 0', '"seed": 1'));
    const { code, stdout, stderr } = await dartsmith('repeat', 'other');
    expect(code).toBe(1);
    expect(stdout).toMatch(/^hint: config\.json tells another run than its journal/m);
    expect(stderr).toMatch(
      /^dartsmith: .*other-repeated differs from other, first in journal\.jsonl at start: seed was 0 and is 1$/m,
    );
  });

  it('prints the outcome as JSON', async () => {
    const { code, stdout } = await dartsmith('repeat', 'mine', '--json');
    const lines = stdout.trimEnd().split('\n');
    expect(code).toBe(0);
    expect(JSON.parse(lines[0])).toMatchObject({ type: 'start' });
    expect(JSON.parse(lines.at(-1)!)).toMatchObject({ type: 'repeat', same: true, whole: true, run: 'mine' });
  });

  it.each([
    [['repeat', 'nowhere'], 1, /nowhere holds no run/],
    [['repeat'], 2, /missing required argument/],
    [['repeat', 'mine', '--seed', '1'], 2, /unknown option/],
    [['repeat', 'mine', '--out', 'mine'], 2, /another folder for out/],
  ])('%j is refused in one line', async (args, expected, message) => {
    const { code, stdout, stderr } = await dartsmith(...args);
    expect({ code, stdout }).toEqual({ code: expected, stdout: '' });
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(stderr).toMatch(message);
  });

  it('is what info tells of a run', async () => {
    expect((await dartsmith('info', 'mine')).stdout).toMatch(/^repeat the run with: dartsmith repeat mine$/m);
    expect((await dartsmith('info', 'DARTS_V2')).stdout).not.toContain('repeat');
  });
});

describe('--tensorboard', () => {
  it('leaves files that are whole up to where a kill tore them, and goes on without telling a step twice', async () => {
    expect(await killAfterSteps([...tiny, '--epochs', '3', '--tensorboard', '--json', '--out', at('board')], 4)).toBe(
      'SIGKILL',
    );
    const [torn] = eventFilesIn(at('board/tensorboard'));
    expect(readEventFile(torn, true).length).toBeGreaterThan(4);
    expect((await dartsmith('search', '--resume', 'board', '--tensorboard')).code).toBe(0);
    const shown = shownIn(at('board/tensorboard'), true);
    const losses = scalarsOf(shown).filter(([tag]) => tag === 'step/loss');
    const recorded = readFileSync(at('board/journal.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
      .filter(({ type }) => type === 'step');
    expect(losses.map(([, step]) => step)).toEqual(recorded.map((_, i) => i + 1));
    expect(losses.map(([, , value]) => value)).toEqual(recorded.map(({ loss }) => Math.fround(loss)));
    const images = shown.flatMap(({ values }) => values.flatMap(({ image }) => (image ? [image] : [])));
    for (const { png, width, height } of images) {
      expect(png.subarray(1, 4).toString()).toBe('PNG');
      expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([width, height]);
    }
    expect(images.length).toBeGreaterThan(0);
  });

  it('is made afterwards by export', async () => {
    const { code, stdout } = await dartsmith('export', '--format', 'tensorboard', 'mine', '--out', 'exported');
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(
        /^wrote exported\/events\.out\.tfevents\.\d+\.[\da-f]{12}\.journal\nlook at it with: tensorboard --logdir exported\n$/,
      ),
    });
    expect(existsSync(at('exported'))).toBe(true);
    expect(scalarsOf(shownIn(at('exported'))).filter(([tag]) => tag === 'validation/accuracy')).toHaveLength(3);
  });

  it.each([
    [['export', '--format', 'tensorboard', '--out', 'x'], 2, /expected a run directory/],
    [
      ['export', '--format', 'tensorboard', 'mine', '--out', 'x', '--image-size', '32'],
      2,
      /--image-size is for networks/,
    ],
    [['export', '--format', 'tensorboard', 'nowhere', '--out', 'x'], 1, /nowhere holds no journal/],
    [['export', 'mine', '--out', 'x.onnx'], 2, /mine without --arch is for --format tensorboard/],
  ])('%j is refused in one line', async (args, expected, message) => {
    const { code, stderr } = await dartsmith(...args);
    expect(code).toBe(expected);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(stderr).toMatch(message);
  });
});
