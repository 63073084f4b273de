// CDARTS on the command line: a search, the file of its last decision retrained, tested, drawn and exported.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli } from '../helpers/process.ts';

function dartsmith(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8' });
  return { status, text: stdout + stderr };
}

const data = ['--dataset', 'mnist', '--limit', '64'];
const sizes = ['--batch-size', '16', '--init-channels', '2', '--layers', '3'];

describe('an architecture that CDARTS has found', () => {
  const folder = mkdtempSync(join(tmpdir(), 'dartsmith-test-'));
  const run = join(folder, 'run');
  const decision = join(run, 'epoch_01.json');
  const trained = join(folder, 'trained');
  const next = join(folder, 'next');

  let told = '';

  beforeAll(() => {
    const searched = dartsmith(
      ...['search', '--method', 'cdarts', ...data, ...sizes, '--evaluation-layers', '3'],
      ...['--epochs', '2', '--warmup-epochs', '1', '--out', run],
    );
    expect(searched, searched.text).toMatchObject({ status: 0 });
    told = searched.text;
    const small = [...sizes, '--epochs', '2', '--no-auxiliary'];
    const training = dartsmith(
      ...['train', '--preset', 'cdarts-quick', '--arch', decision, ...data, ...small, '--out', trained],
    );
    expect(training, training.text).toMatchObject({ status: 0 });
    expect(training.text).toMatch(
      /0\.0\d million parameters without auxiliary head: weight decay 0\.0003, drop path 0\.2/,
    );
    expect(training.text).toMatch(/best of all epochs [\d.]+%, top-5 [\d.]+%, chosen by the test images/);
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('tells in its journal what followed from the size of the network', () => {
    const lines = readFileSync(join(trained, 'journal.jsonl'), 'utf8').trimEnd().split('\n');
    const epochs = lines.map((line) => JSON.parse(line)).filter(({ type }) => type === 'epoch');
    expect(epochs.map(({ weightDecay, dropPath }) => [weightDecay, dropPath])).toEqual([
      [3e-4, 0],
      [3e-4, 0.1],
    ]);
  });

  it('is the one of the run', () => {
    const own = join(folder, 'own.txt');
    expect(dartsmith('select', run, '--by', 'cdarts', '--out', own)).toMatchObject({ status: 0 });
    // NNI lists nodes apart.
    const flat = (text: string) => text.replaceAll(/[[\]\s]/g, '');
    expect(flat(readFileSync(join(run, 'epoch_01.genotypes'), 'utf8'))).toBe(flat(readFileSync(own, 'utf8')));
  });

  it('is trained its way as the search says what comes next', () => {
    const small = [...sizes, '--epochs', '1', '--no-auxiliary'];
    expect(told).toMatch(new RegExp(`^ {6}dartsmith train --arch ${run}$`, 'm'));
    const training = dartsmith('train', '--arch', run, ...data, ...small, '--out', next);
    expect(training, training.text).toMatchObject({ status: 0 });
    expect(training.text).toMatch(/weight decay 0\.0003, drop path 0\.2 \(decayBySize\)/);
    const { settings } = JSON.parse(readFileSync(join(next, 'config.json'), 'utf8'));
    expect(settings).toMatchObject({ skeleton: 'cdarts', dropPathUnit: 'edge', reportBest: true });
    expect(dartsmith('test', '--arch', next)).toMatchObject({ status: 0 });
  });

  it('is tested by its weights alone', () => {
    const tested = dartsmith('test', '--arch', trained);
    expect(tested, tested.text).toMatchObject({ status: 0 });
    expect(tested.text).toMatch(/^accuracy [\d.]+%, top-5 [\d.]+%.* test images of 10 classes/);
  });

  it('is what its file says, whoever takes that', () => {
    const weights = ['--weights', join(trained, 'weights.safetensors')];
    const tested = dartsmith('test', '--arch', decision, ...weights, '--dataset', 'mnist');
    expect(tested, tested.text).toMatchObject({ status: 0 });
    expect(tested.text.split('\n')[0]).toBe(dartsmith('test', '--arch', trained).text.split('\n')[0]);
    const exported = dartsmith('export', '--arch', decision, ...weights, '--out', join(folder, 'network.pt'));
    expect(exported, exported.text).toMatchObject({ status: 0 });
  });

  it('is counted as NNI counts it', () => {
    const counted = dartsmith('info', 'CDARTS_CIFAR', '--skeleton', 'cdarts', '--json');
    expect(JSON.parse(counted.text)).toMatchObject({
      parameters: 3_801_502,
      parametersWithAuxiliaryHead: 3_801_502 + 476_426,
    });
    expect(dartsmith('info', 'supernet', '--skeleton', 'cdarts')).toMatchObject({
      status: 2,
      text: expect.stringContaining('--skeleton is for genotypes'),
    });
  });

  it("is taken from a cell file of the authors, also where a network's stages differ", () => {
    const [first, last] = ['epoch_00.genotypes', 'epoch_01.genotypes'].map((name) =>
      readFileSync(join(run, name), 'utf8'),
    );
    const changed = first.replace(/\('[a-z_0-9]+', 0\)/, "('sep_conv_5x5', 0)");
    const [cells, staged] = [join(folder, 'cells.json'), join(folder, 'staged')];
    writeFileSync(cells, JSON.stringify({ 0: first, 1: changed, 2: last }));
    expect(dartsmith('draw', cells, '--out', join(folder, 'staged.svg'))).toMatchObject({ status: 0 });
    const small = ['--init-channels', '2', '--batch-size', '16', '--limit', '16', '--epochs', '1', '--no-auxiliary'];
    const training = dartsmith(
      ...['train', '--preset', 'cdarts', '--arch', cells, '--dataset', 'mnist', ...small, '--out', staged],
    );
    expect(training, training.text).toMatchObject({ status: 0 });
    const cellsOf = (directory: string) => JSON.parse(readFileSync(join(directory, 'genotype.json'), 'utf8')).cells;
    expect(cellsOf(staged)).toHaveLength(20);
    // Over as many cells as the network has.
    const shallow = join(folder, 'shallow');
    const other = ['train', '--preset', 'cdarts', '--layers', '5', '--arch', cells, '--dataset', 'mnist', ...small];
    expect(dartsmith(...other, '--out', shallow)).toMatchObject({ status: 0 });
    expect(cellsOf(shallow)).toHaveLength(5);
    const weights = ['--weights', join(shallow, 'weights.safetensors'), '--dataset', 'mnist'];
    expect(dartsmith('test', '--arch', cells, '--layers', '5', ...weights)).toMatchObject({ status: 0 });
    expect(dartsmith('test', '--arch', cells, ...weights).status).not.toBe(0);
  });

  it('is retrained in the same command, its way', () => {
    const both = join(folder, 'both');
    const searched = dartsmith(
      ...['search', '--method', 'cdarts', ...data, ...sizes, '--evaluation-layers', '3', '--epochs', '1'],
      ...['--then', `train ${sizes.join(' ')} --epochs 1 --no-auxiliary`, '--out', both],
    );
    expect(searched, searched.text).toMatchObject({ status: 0 });
    expect(searched.text).toMatch(/weight decay 0\.0003, drop path 0\.2/);
    const { settings } = JSON.parse(readFileSync(join(both, 'train/config.json'), 'utf8'));
    expect(settings).toMatchObject({ skeleton: 'cdarts', dropPathUnit: 'edge', decayBySize: true, reportBest: true });
    expect(dartsmith('test', '--arch', both)).toMatchObject({ status: 0 });
  });

  it('comes from a network whose features can be looked at', () => {
    const features = dartsmith('features', run, '--images', '32', '--out', join(folder, 'features'));
    expect(features, features.text).toMatchObject({ status: 0 });
    expect(features.text).toMatch(/groups: \{/);
  });

  it('is drawn and exported', () => {
    const [picture, network] = [join(folder, 'cells.svg'), join(folder, 'network.onnx')];
    expect(dartsmith('draw', decision, '--out', picture)).toMatchObject({ status: 0 });
    expect(readFileSync(picture, 'utf8')).toContain('<svg');
    expect(dartsmith('export', '--arch', trained, '--out', network)).toMatchObject({ status: 0 });
  });

  it.each<[string, (masks: Record<string, boolean[]>) => void, RegExp]>([
    ['nothing on an edge that is kept', (masks) => clear(masks, false), /normal_n2_p0/],
    ['two candidates of an edge', (masks) => clear(masks, true), /normal_n2_p0/],
    ['an edge that there is not', (masks) => Object.assign(masks, { normal_n9_p0: [true] }), /normal_n9_p0/],
  ])('is refused in one line where it chooses %s', (_, spoil, key) => {
    const masks = JSON.parse(readFileSync(decision, 'utf8')) as Record<string, boolean[]>;
    spoil(masks);
    const file = join(folder, 'spoilt.json');
    writeFileSync(file, JSON.stringify(masks));
    const { status, text } = dartsmith('train', '--preset', 'cdarts-quick', '--arch', file, ...data);
    expect(status).toBe(1);
    expect(text.trimEnd().split('\n')).toEqual([expect.stringMatching(key)]);
  });

  function clear(masks: Record<string, boolean[]>, value: boolean) {
    masks['normal_n2_p0'] = masks['normal_n2_p0'].map(() => value);
  }
});
