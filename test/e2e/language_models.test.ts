// Language models on the command line: a pickled one of the published code is imported, exported, drawn, and refused where it cannot go.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readWeights } from '../../src/exchange/weights.ts';
import { cli, root, runProcess } from '../helpers/process.ts';
import { scratch } from '../helpers/scratch.ts';

/** A folder of a text. */
function textFolder(folder: string, train: string): string {
  mkdirSync(folder);
  const lines = { train, valid: 'a b\n', test: 'b a a\nb b\n' };
  for (const [part, text] of Object.entries(lines)) writeFileSync(join(folder, `${part}.txt`), text);
  return folder;
}

const pickled = join(root, 'test/fixtures/rnn/derived_legacy.pt');

it('a pickled language model is imported, and then exported by its own genotype', async () => {
  const folder = scratch();
  const dartsmith = (...args: string[]) => runProcess(process.execPath, [cli, ...args], { cwd: folder });
  const told = 'language model: 7 words of 2 numbers, 8 nodes\n';
  expect(await dartsmith('import', pickled, '--out', 'model.safetensors')).toEqual({
    ...{ code: 0, stderr: '' },
    stdout: expect.stringMatching(new RegExp(`^${told}wrote model\\.safetensors \\([^)]+\\)\n$`)),
  });
  const at = (name: string) => join(folder, name);
  const [ours, theirs] = [await readWeights(at('model.safetensors')), await readWeights(pickled)];
  expect([...ours.tensors.keys()]).toEqual([...theirs.tensors.keys()]);
  const [fits, small] = [textFolder(at('fits'), 'a b c d e f\n'), textFolder(at('small'), 'a b c\n')];
  const [exported, drawn, tested, ...refused] = await Promise.all([
    dartsmith('export', '--arch', 'model.safetensors', '--out', 'model.onnx'),
    dartsmith('draw', pickled, '--out', 'cell.dot'),
    dartsmith('test', '--arch', 'model.safetensors', '--dataset', 'text', '--data-dir', fits),
    dartsmith('export', '--arch', 'DARTS_V1_RNN', '--weights', 'model.safetensors', '--out', 'wrong.onnx'),
    dartsmith('export', '--weights', 'model.safetensors', '--image-size', '32', '--out', 'wrong.onnx'),
    dartsmith('import', pickled, '--space', 'darts', '--out', 'wrong.safetensors'),
    dartsmith('test', '--arch', pickled, '--dataset', 'text', '--data-dir', small),
  ]);
  const ends = 'words [T, B] and state [1, B, 2] to log-probabilities [T, B, 7] and the last state\n';
  expect(exported).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining(`KiB): ${ends}`) });
  expect(drawn).toMatchObject({ code: 0, stderr: '' });
  expect(readFileSync(at('cell.dot'), 'utf8')).toContain('sigmoid');
  expect(tested).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/^perplexity \d/) });
  expect(refused.map(({ code, stdout }) => ({ code, stdout }))).toEqual([
    { code: 2, stdout: '' },
    { code: 2, stdout: '' },
    { code: 2, stdout: '' },
    { code: 1, stdout: '' },
  ]);
  expect(refused.map(({ stderr }) => stderr)).toEqual([
    expect.stringMatching(/^dartsmith: model\.safetensors tells another genotype than --arch: [^\n]+\n$/),
    'dartsmith: --image-size is for networks of images: leave it out\n',
    'dartsmith: --space is for networks of images: leave it out\n',
    `dartsmith: the vocabulary of the text (4 words) does not fit ${pickled}, which knows 7 words by number: give it the whole text that it was trained with\n`,
  ]);
});
