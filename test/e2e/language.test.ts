// Language models as a user makes them: a text of one's own, searched on, trained on, tested, drawn and counted; and what is refused.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { corpusParts } from '../../src/data/text/corpus.ts';
import { parseGenotype } from '../../src/genotype/text.ts';
import { cli, killAfterSteps } from '../helpers/process.ts';
import { contentsOf } from '../helpers/run_contents.ts';
import { scratch } from '../helpers/scratch.ts';
import { writeTinyText } from '../helpers/tiny_text.ts';

function dartsmith(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr, text: stdout + stderr };
}

function done(...args: string[]) {
  const ended = dartsmith(...args);
  expect(ended, ended.text).toMatchObject({ status: 0 });
  return ended;
}

const folder = mkdtempSync(join(tmpdir(), 'dartsmith-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const place = (name: string) => join(folder, name);
const sizes = ['--batch-size', '4', '--bptt', '6', '--emsize', '6'];
const lengths = { train: 200, valid: 60, test: 60 };
const text = writeTinyText(place('text'), lengths);
const data = ['--data-dir', text];

const searched = place('searched');
const trained = place('trained');
let events: { readonly type: string; readonly [name: string]: unknown }[] = [];

beforeAll(() => {
  const search = ['search', '--space', 'rnn', ...data, ...sizes, '--epochs', '2', '--out', searched, '--json'];
  const { stdout } = done(...search);
  events = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  done(
    'train',
    '--arch',
    searched,
    ...data,
    ...sizes,
    '--epochs',
    '6',
    '--nonmono',
    '1',
    '--lr',
    '4',
    '--out',
    trained,
  );
});

const journalOf = (run: string) =>
  readFileSync(join(run, 'journal.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('a search for a recurrent cell', () => {
  it('tells of words, perplexity and bits a word, and of no images', () => {
    const of = (type: string) => events.filter((event) => event.type === type);
    // Four words and an end a line.
    expect(of('start')).toEqual([expect.objectContaining({ trainWords: 248, validationWords: 70, vocabulary: 5 })]);
    for (const event of of('step')) {
      expect(event).toMatchObject({ wordsPerSecond: expect.any(Number), perplexity: expect.any(Number) });
      expect(event['perplexity']).toBeCloseTo(Math.exp(Number(event['loss'])), 9);
    }
    for (const event of of('epoch')) {
      const { bitsPerWord, exactPerplexity, validationLoss, validationPerplexity } = event;
      expect(bitsPerWord).toBeCloseTo(Math.log2(Number(exactPerplexity)), 9);
      expect(validationPerplexity).toBeCloseTo(Math.exp(Number(validationLoss)), 9);
      // Over 7 rows as published, over the 6 that are predicted to be exact.
      expect(Math.log(Number(exactPerplexity))).toBeCloseTo((7 / 6) * Number(validationLoss), 9);
    }
    expect(JSON.stringify(events)).not.toMatch(/[Ii]mage|ccuracy/);
    expect(events.at(-1)).toMatchObject({ type: 'result', validationPerplexity: expect.any(Number) });
  });

  it('leaves its cell, its words, and a picture with every node that is output', () => {
    const { recurrent } = parseGenotype(readFileSync(join(searched, 'genotype.json'), 'utf8'));
    expect(recurrent?.nodes).toHaveLength(8);
    const vocabulary = JSON.parse(readFileSync(join(searched, 'vocabulary.json'), 'utf8'));
    expect(vocabulary.words).toHaveLength(5);
    const dot = done('draw', searched).stdout;
    for (const name of ['x_{t}', 'h_{t-1}', 'h_{t}']) expect(dot).toContain(name);
    expect(readFileSync(join(searched, 'cells.svg'), 'utf8')).toContain('<svg');
  });

  it('is shown, its history counted and drawn, its genotype selected again', () => {
    const shown = done('show', searched).stdout;
    expect(shown).toMatch(/^data: text, 248 words to learn from, 70 to validate on, 5 different ones$/m);
    expect(shown).toMatch(/^network: 1 cell of space rnn; seed 0$/m);
    expect(shown).not.toContain('undefined');
    expect(done('history', searched).stdout).toMatch(/recurrent +2 +8 +0 /);
    const picture = place('history.svg');
    done('draw', '--history', searched, '--cell', 'recurrent', '--out', picture);
    expect(readFileSync(picture, 'utf8')).toContain('<svg');
    const selected = parseGenotype(done('select', searched).stdout);
    expect(selected).toEqual(parseGenotype(readFileSync(join(searched, 'genotype.json'), 'utf8')));
  });

  it.each([
    ['of second order, columns in groups', ['--unrolled', '--small-batch-size', '2']],
    ['of second order, groups added up', ['--unrolled', '--small-batch-size', '2', '--add-groups', '--same-masks']],
  ])('%s, killed and resumed, gives the same bytes', async (_, mode) => {
    const [whole, out] = [join(scratch(), 'whole'), join(scratch(), 'killed')];
    const fresh = ['search', '--space', 'rnn', ...data, ...sizes, '--epochs', '2', ...mode];
    const { text: told } = done(...fresh, '--out', whole, '--threads', '1');
    expect(told.includes('only the last of 2 groups of columns moves the weights')).toBe(
      !mode.includes('--add-groups'),
    );
    const often = ['--checkpoint-seconds', '0.001', '--json'];
    expect(await killAfterSteps([...fresh, '--out', out, ...often], 4)).toBe('SIGKILL');
    done('search', '--resume', out, '--threads', '2');
    expect(contentsOf(out)['checkpoint.safetensors']).toBe(contentsOf(whole)['checkpoint.safetensors']);
    expect(contentsOf(out)['journal.jsonl']).toBe(contentsOf(whole)['journal.jsonl']);
  });

  it('is followed by the training of what it finds', () => {
    const both = place('both');
    const then = `train ${sizes.join(' ')} --epochs 1`;
    const { stdout } = done(
      ...['search', '--space', 'rnn', ...data, ...sizes, '--epochs', '1', '--then', then, '--out', both],
    );
    expect(stdout).toMatch(/^test perplexity [\d.]+ as published, exact [\d.]+, [\d.]+ bits a word$/m);
    expect(done('test', '--arch', both).stdout).toMatch(/^perplexity /);
  });
});

describe("a language model's training", () => {
  it('goes over to averaged SGD, and keeps its best epoch', () => {
    const records = journalOf(trained);
    const decisions = records.filter(({ type }) => type === 'decision');
    expect(decisions.map(({ decision }) => decision.told)).toEqual(['averaged SGD from the next epoch on']);
    const losses = records.filter(({ type }) => type === 'epoch').map(({ validationLoss }) => validationLoss);
    // With the next to last loss left out: the first epoch that is worse than the best before that.
    const first = losses.findIndex((loss, epoch) => epoch > 1 && loss > Math.min(...losses.slice(0, epoch - 1)));
    expect(decisions[0].epoch).toBe(first);
    expect(records.at(-1)).toMatchObject({ type: 'result', bestEpoch: losses.indexOf(Math.min(...losses)) });
  });

  it('is tested by its run, at the published batch size or as its training was', () => {
    const result = journalOf(trained).at(-1);
    const tested = JSON.parse(done('test', '--arch', trained, '--batch-size', '10', '--bptt', '6', '--json').stdout);
    expect(tested.perplexity).toBeCloseTo(result.testPerplexity, 6);
    expect(tested.exactPerplexity).toBeCloseTo(result.testExactPerplexity, 6);
    const { words, parameters } = JSON.parse(done('test', '--arch', trained, '--json').stdout);
    expect({ words, parameters }).toEqual({ words: 74, parameters: 5 * 6 + 5 + 20 * 36 });
  });

  it('is tested by a checkpoint, whose best weights count', () => {
    const of = (...weights: string[]) =>
      done('test', '--arch', trained, ...weights)
        .stdout.split('\n')
        .slice(0, 2);
    expect(of('--weights', join(trained, 'checkpoint.safetensors'))).toEqual(of());
  });

  it('is told what it costs', () => {
    const costOf = (...args: string[]) => JSON.parse(done('info', ...args, '--json').stdout);
    expect(costOf(trained)).toMatchObject({ words: 5, emsize: 6, parameters: 755 });
    // darts-rnn.md, published sizes.
    expect(costOf('DARTS_V2_RNN')).toMatchObject({ parameters: 22_960_000, multiplyAccumulates: 22_950_000 });
    expect(costOf('DARTS_V2_RNN', '--emsize', '700', '--words', '33278').parameters).toBe(33_127_878);
    expect(costOf('ENAS_RNN').parameters).toBe(27_295_000);
    const supernet = ['supernet', '--space', 'rnn'];
    expect(costOf(...supernet)).toMatchObject({ parameters: 4_810_000, architectureParameters: 180 });
    expect(costOf(...supernet, '--words', '33278').parameters).toBe(11_816_678);
    expect(done('info', 'DARTS_V2_RNN').stdout).toMatch(/^total +22,960,000 +22,950,000 +100\.0%$/m);
  });
});

describe('what does not go together is refused in one line:', () => {
  const weights = join(trained, 'weights.safetensors');
  const other = place('other');

  beforeAll(() => {
    const texts = {
      empty: '',
      latin: Buffer.from([0x61, 0x0a, 0xe9, 0x20, 0x62]),
      short: 'a b c\n',
      other: 'a b c d e f g h\n'.repeat(5),
    };
    for (const [name, content] of Object.entries(texts)) {
      mkdirSync(place(name));
      for (const part of corpusParts) writeFileSync(join(place(name), `${part}.txt`), content);
    }
    mkdirSync(place('part'));
    copyFileSync(join(text, 'train.txt'), join(place('part'), 'train.txt'));
  });

  const search = (name: string, ...rest: string[]) => ['search', '--space', 'rnn', '--data-dir', place(name), ...rest];

  it.each<[string, () => string[], RegExp]>([
    [
      'an empty text',
      () => search('empty'),
      /empty\/train\.txt: expected a text with at least one line, found an empty/,
    ],
    ['a text that is not UTF-8', () => search('latin'), /latin\/train\.txt: byte 2: expected UTF-8, found 0xe9/],
    ['a missing file', () => search('part'), /expected a folder with train\.txt, valid\.txt and test\.txt, found only/],
    [
      'no folder',
      () => ['search', '--space', 'rnn'],
      /expected a folder with .* for dataDir \(--data-dir\) but received/,
    ],
    ['a folder that is not there', () => search('nowhere'), /nowhere/],
    [
      'a text that is too short to score',
      () => search('short', '--batch-size', '1'),
      /the validation text has 4 tokens: /,
    ],
    [
      'a batch that is larger than the text',
      () => search('text', '--batch-size', '84'),
      /expected at most 83 \(the text of 250 tokens has 3 rows then\) for batchSize \(--batch-size\) but received 84/,
    ],
    [
      'a batch that is larger than the text of alpha',
      () => search('text', '--batch-size', '40'),
      /expected at most 37 \(the text of 75 tokens has 2 rows then\) for batchSize \(--batch-size\) but received 40/,
    ],
    [
      'groups that do not divide a batch',
      () => search('text', '--batch-size', '4', '--small-batch-size', '3'),
      /expected a divisor of 4 for smallBatchSize \(--small-batch-size\) but received 3/,
    ],
    [
      'images for a recurrent search',
      () => search('text', '--dataset', 'mnist'),
      /expected one of text, ptb, wikitext2/,
    ],
    [
      'a text for a search on images',
      () => ['search', '--space', 'darts', '--dataset', 'text', ...data],
      /expected one of mnist, .* for --dataset but received 'text'/,
    ],
    [
      'cells for images on a text',
      () => ['train', '--arch', 'DARTS_V2', '--dataset', 'text', ...data],
      /expected a recurrent cell for a text for genotype \(--arch\) but received cells for images/,
    ],
    [
      'a recurrent cell on images',
      () => ['train', '--arch', 'DARTS_V2_RNN', '--dataset', 'mnist', '--limit', '64'],
      /one of a recurrent cell, which reads text and no images/,
    ],
    [
      'a test on another text',
      () => ['test', '--arch', trained, '--data-dir', other],
      /other\/test\.txt: byte \d+: expected a word of the vocabulary, which has 5, found another: "e"/,
    ],
    [
      'weights of another vocabulary',
      () => ['test', '--arch', searched, '--weights', weights, '--dataset', 'text', '--data-dir', other],
      /the vocabulary of the text \(9 words, .* does not fit .*weights\.safetensors.*\(5 words, /,
    ],
    [
      'weights of another cell',
      () => ['test', '--arch', 'DARTS_V2_RNN', '--weights', weights, '--dataset', 'text', ...data],
      /weights\.safetensors is of another cell than the genotype \(--arch\): Genotype\(recurrent=/,
    ],
    [
      'weights of a search',
      () => ['test', '--arch', trained, '--weights', join(searched, 'checkpoint.safetensors')],
      /checkpoint\.safetensors is of a search, whose weights are of all candidates/,
    ],
    [
      'a test on images',
      () => ['test', '--arch', trained, '--dataset', 'mnist'],
      /expected one of ptb, wikitext2, text/,
    ],
    ['a search to test', () => ['test', '--arch', searched], /expected --weights beside --arch/],
    ['a training to search on', () => ['search', '--resume', trained], /expected a search but holds a training/],
    [
      'a selection by images',
      () => ['select', searched, '--by', 'projection'],
      /is a run of a text: expected one of images/,
    ],
    ['features of images', () => ['features', searched, '--images', '4'], /is a run of a text: expected one of images/],
    ['sizes of images', () => ['info', 'DARTS_V2_RNN', '--layers', '3'], /--layers is of networks for images/],
    ['sizes of texts', () => ['info', 'DARTS_V2', '--words', '3'], /--words is of a language model/],
  ])('%s', (_, args, message) => {
    const { status, stdout, stderr } = dartsmith(...args(), ...outOf(args()));
    expect(status).not.toBe(0);
    expect(stdout).toBe('');
    expect(stderr.trimEnd().split('\n')).toEqual([expect.stringMatching(message)]);
  });

  /** Where a run would go that must not begin. */
  function outOf(args: readonly string[]): string[] {
    const begins = ['search', 'train'].includes(args[0]) && !args.includes('--resume');
    return begins ? ['--out', place('never')] : [];
  }

  it('nothing of them was written', () => {
    expect(existsSync(place('never'))).toBe(false);
  });
});
