import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type Corpus, type CorpusName, type CorpusOptions, loadCorpus } from '../../../../src/data/text/corpus.ts';
import { corpusDigest } from '../../../../src/data/text/digest.ts';
import { vocabularyOf } from '../../../../src/data/text/vocabulary.ts';
import { AbortedError, ArgumentError, DataError } from '../../../../src/errors.ts';
import { uniform } from '../../../../src/random/philox.ts';
import { folderOf, scratchFolder } from '../fixtures.ts';

type Texts = Readonly<Record<string, string | Uint8Array>>;

const small: Texts = {
  'train.txt': ' \n = Robert <unk> = \n \n the cat sat\nthe dog N\n',
  'valid.txt': 'a cat sat\n',
  'test.txt': 'the bird',
};

const load = (texts: Texts, options: Partial<CorpusOptions> = {}, name: CorpusName = 'text') =>
  loadCorpus(name, { dataDir: folderOf(texts), ...options });

const withTrain = (train: string | Uint8Array, options?: Partial<CorpusOptions>) =>
  load({ ...small, 'train.txt': train }, options);

const textOf = ({ vocabulary }: Corpus, tokens: Int32Array) =>
  Array.from(tokens, (token) => vocabulary.words[token]).join(' ');

/** As the published code has it: for line in open(path): line.split() + ['<eos>'], in plain JavaScript. */
function expectedTokens(text: string): string[] {
  const space = String.raw`[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+`;
  const lines = text.split(/\r\n|\r|\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines.flatMap((line) => [...line.split(new RegExp(space)).filter((word) => word !== ''), '<eos>']);
}

describe('loadCorpus', () => {
  it('numbers words by first occurrence through train, valid and test', async () => {
    const corpus = await load(small);
    const words = ['<eos>', '=', 'Robert', '<unk>', 'the', 'cat', 'sat', 'dog', 'N', 'a', 'bird'];
    expect(corpus.vocabulary.words).toEqual(words);
    expect([...corpus.train]).toEqual([0, 1, 2, 3, 1, 0, 0, 4, 5, 6, 0, 4, 7, 8, 0]);
    expect([...corpus.valid]).toEqual([9, 5, 6, 0]);
    expect([...corpus.test]).toEqual([4, 10, 0]);
    expect(corpus).toMatchObject({ name: 'text', notices: [] });
    expect(corpus.vocabulary.numberOf('dog')).toBe(7);
    expect(corpus.vocabulary.numberOf('cow')).toBeUndefined();
  });

  it.each<[string, string, string]>([
    ['an empty line', 'a\n\nb\n', 'a <eos> <eos> b <eos>'],
    ['a line end alone', '\n', '<eos>'],
    ['CRLF', 'a b\r\nc\r\n', 'a b <eos> c <eos>'],
    ['CR', 'a b\rc\r', 'a b <eos> c <eos>'],
    ['LF before CR', 'a\n\rb', 'a <eos> <eos> b <eos>'],
    ['a last line without an end', 'a\nb', 'a <eos> b <eos>'],
    ['a last line of spaces without an end', 'a\n ', 'a <eos> <eos>'],
    ['runs of spaces and tabs', '  a \t b  \n', 'a b <eos>'],
    ['the separators of ASCII', 'a\x1cb\x1dc\x1ed\x1fe\x0bf\x0cg\n', 'a b c d e f g <eos>'],
    [
      'spaces of several bytes',
      'a\x85b\xa0c\u1680d\u2000e\u200af\u2028g\u2029h\u202fi\u205fj\u3000k',
      'a b c d e f g h i j k <eos>',
    ],
    ['no space: a byte order mark, a zero width space', '\ufeffa \ufeff b\u200bc\n', '\ufeffa \ufeff b\u200bc <eos>'],
    [
      'letters that begin as spaces do',
      '\xa1 \u1681 \u2010 \u2070 \u3001 é 語 🙂',
      '\xa1 \u1681 \u2010 \u2070 \u3001 é 語 🙂 <eos>',
    ],
    ['a NUL', 'a\0b c', 'a\0b c <eos>'],
    ['<eos> in the text', '<eos> a\n', '<eos> a <eos>'],
  ])('splits at %s', async (_, text, expected) => {
    const corpus = await withTrain(text);
    expect(textOf(corpus, corpus.train)).toBe(expected);
    expect(expectedTokens(text).join(' ')).toBe(expected);
  });

  it('splits what is drawn from all kinds of characters as Python does', async () => {
    const pieces = [
      ...'ab cd\n\r\t\v\x1c\x1f\x20\x85\xa0\xa1\u1680\u2000\u200a\u200b\u2028\u202f\u205f\u2060\u3000\ufeffé語🙂',
      '\r\n',
      '<eos>',
    ];
    const numbers = uniform({ seed: 3, purpose: 'split', epoch: 0, step: 0 }, 200_000);
    const text = Array.from(numbers, (number) => pieces[Math.floor(number * pieces.length)]).join('');
    const corpus = await withTrain(text);
    expect(textOf(corpus, corpus.train)).toBe(expectedTokens(text).join(' '));
  });

  it('finds many words again', async () => {
    const words = Array.from({ length: 20_000 }, (_, number) => `w${(number * 7919) % 20_000}`);
    const corpus = await withTrain(`${words.join(' ')}\n${words.toReversed().join('\n')}`);
    expect(corpus.vocabulary.words.slice(0, 20_001)).toEqual([...words, '<eos>']);
    expect([...corpus.train.subarray(0, 20_000)]).toEqual(words.map((_, number) => number));
    expect(corpus.train.at(-2)).toBe(0);
  });

  it.each<[CorpusName, string, string]>([
    ['ptb', 'ptb.', '.txt'],
    ['wikitext2', 'wiki.', '.tokens'],
    ['wikitext2', '', '.txt'],
  ])('reads the files of %s as they are published: %s...%s', async (name, begin, end) => {
    const corpus = await load(
      { [`${begin}train${end}`]: 'a', [`${begin}valid${end}`]: 'b', [`${begin}test${end}`]: 'c' },
      {},
      name,
    );
    expect(corpus.vocabulary.words).toEqual(['a', '<eos>', 'b', 'c']);
    expect(corpus.name).toBe(name);
  });

  it('prefers the plain names, and never mixes both', async () => {
    const published = { 'ptb.train.txt': 'x', 'ptb.valid.txt': 'x', 'ptb.test.txt': 'x' };
    expect((await load({ ...published, ...small }, {}, 'ptb')).vocabulary.words).not.toContain('x');
    const mixed = load({ 'train.txt': 'a', 'ptb.valid.txt': 'b', 'ptb.test.txt': 'c' }, {}, 'ptb');
    await expect(mixed).rejects.toThrow(
      'expected a folder with train.txt, valid.txt and test.txt, or ptb.train.txt, ptb.valid.txt and ptb.test.txt, found only ptb.test.txt, ptb.valid.txt, train.txt',
    );
  });

  it('reads packed files', async () => {
    const packed = await withTrain(gzipSync(small['train.txt']));
    expect(packed.train).toEqual((await load(small)).train);
  });

  describe('limit', () => {
    it('keeps the first tokens of train and a tenth as many of the others, as if the files ended there', async () => {
      const text = 'a b c\nd e f g h i j k l m n o p q r s t u v w x y z\n';
      const corpus = await load({ 'train.txt': text, 'valid.txt': 'A B C', 'test.txt': 'D E F' }, { limit: 20 });
      expect(textOf(corpus, corpus.train)).toBe('a b c <eos> d e f g h i j k l m n o p q r s');
      expect(textOf(corpus, corpus.valid)).toBe('A B');
      expect(textOf(corpus, corpus.test)).toBe('D E');
      expect(corpus.vocabulary.words).toHaveLength(24);
      expect(corpus.notices).toEqual([]);
    });

    it('is told where it is more than there is, unless nobody asked for it', async () => {
      const notice = 'the limit of 16 is more than the 15 tokens there are to learn from: all are used';
      expect((await load(small, { limit: 16 })).notices).toEqual([notice]);
      expect((await load(small, { limit: 15 })).notices).toEqual([]);
      expect((await load(small, { usualLimit: 16 })).notices).toEqual([]);
      expect((await load(small, { usualLimit: 2, limit: 9 })).train).toHaveLength(9);
      expect((await load(small, { usualLimit: 2 })).train).toHaveLength(2);
    });

    it('is an integer of at least 2', async () => {
      for (const limit of [1, 0, 2.5, '9'])
        await expect(load(small, { limit: limit as number })).rejects.toThrow(
          'expected an integer of at least 2 for limit',
        );
    });
  });

  describe('with a vocabulary', () => {
    it('gives its numbers, and reads test alone where that is wanted', async () => {
      const { vocabulary } = await load(small);
      const test = await loadCorpus('text', {
        dataDir: folderOf({ 'test.txt': 'N bird\n' }),
        vocabulary,
        testOnly: true,
      });
      expect([...test.test]).toEqual([8, 10, 0]);
      expect([test.train.length, test.valid.length]).toEqual([0, 0]);
      expect(test.vocabulary).toBe(vocabulary);
    });

    it('refuses a word that it lacks, with its byte', async () => {
      const vocabulary = vocabularyOf(['the', 'bird', '<eos>']);
      const one = { vocabulary, testOnly: true };
      await expect(load({ 'test.txt': 'the bird\nthe "cat"\n' }, one)).rejects.toThrow(
        /test\.txt: byte 13: expected a word of the vocabulary, which has 3, found another: "\\"cat\\""$/,
      );
      await expect(load({ 'test.txt': 'a' }, { ...one, vocabulary: vocabularyOf(['a']) })).rejects.toThrow(
        'byte 1: expected a word of the vocabulary, which has 1, found another: "<eos>"',
      );
    });

    it('is needed to read test alone', async () => {
      await expect(load(small, { testOnly: true })).rejects.toThrow('false without a vocabulary');
      await expect(load(small, { vocabulary: ['a'] as never })).rejects.toThrow(ArgumentError);
    });
  });

  describe('refuses', () => {
    it.each(['train.txt', 'valid.txt', 'test.txt'])('a folder without %s', async (name) => {
      const { [name]: _, ...others } = small;
      const error = await load(others).catch((caught) => caught);
      expect(error).toBeInstanceOf(DataError);
      expect(error.message).toContain('expected a folder with train.txt, valid.txt and test.txt, found only ');
    });

    it('a folder that is not there, is empty, or lies elsewhere', async () => {
      const folder = scratchFolder();
      await expect(loadCorpus('text', { dataDir: folder })).rejects.toThrow('found an empty folder');
      await expect(loadCorpus('text', { dataDir: `${folder}/none` })).rejects.toThrow('found nothing by that name');
      await expect(loadCorpus('text', { dataDir: '' })).rejects.toThrow('dataDir (--data-dir)');
    });

    it.each(['train.txt', 'valid.txt', 'test.txt'])('an empty %s', async (name) => {
      await expect(load({ ...small, [name]: '' })).rejects.toThrow(
        `${name}: expected a text with at least one line, found an empty file`,
      );
    });

    it.each<[string, number[], number]>([
      ['a byte of no character', [0x61, 0xff], 1],
      ['a byte that goes on with nothing', [0x61, 0x62, 0x80], 2],
      ['a character that is cut', [0x61, 0x20, 0xe2, 0x80], 2],
      ['a character that is cut short by another', [0xe2, 0x80, 0x61], 0],
      ['an overlong form of two bytes', [0x61, 0xc0, 0x80], 1],
      ['an overlong form of three bytes', [0xe0, 0x9f, 0xbf], 0],
      ['an overlong form of four bytes', [0xf0, 0x8f, 0xbf, 0xbf], 0],
      ['half a surrogate pair', [0x61, 0xed, 0xa0, 0x80], 1],
      ['more than Unicode has', [0xc3, 0xa9, 0xf4, 0x90, 0x80, 0x80], 2],
      ['a lead byte beyond', [0xf0, 0x9f, 0x99, 0x82, 0xf5, 0x80, 0x80, 0x80], 4],
      ['UTF-16', [0xff, 0xfe, 0x61, 0x00], 0],
    ])('what is not UTF-8, with its byte: %s', async (_, bytes, byte) => {
      const found = `0x${bytes[byte].toString(16).padStart(2, '0')}`;
      await expect(withTrain(Uint8Array.from(bytes))).rejects.toThrow(
        new RegExp(`train\\.txt: byte ${byte}: expected UTF-8, found ${found}$`),
      );
    });

    it('what is no text of words: one of more than a megabyte', async () => {
      await expect(withTrain(`a ${'b'.repeat(2 ** 20 + 1)}`)).rejects.toThrow(
        'byte 2: expected a word of at most 1048576 bytes, found one of 1048577',
      );
      expect((await withTrain('b'.repeat(2 ** 20))).train).toHaveLength(2);
    });

    it('another name, and options that it does not know', async () => {
      await expect(load(small, {}, 'wikitext' as CorpusName)).rejects.toThrow('Did you mean wikitext2?');
      await expect(load(small, { imageSize: 8 } as never)).rejects.toThrow("unknown option 'imageSize' of loadCorpus");
    });
  });

  it('reads damaged files or says what is wrong, and nothing else', async () => {
    const whole = Buffer.from(`${small['train.txt']} é 語 🙂\u2003x\n`.repeat(4));
    let refused = 0;
    for (let round = 0; round < 150; round++) {
      const random = uniform({ seed: 5, purpose: 'split', epoch: 0, step: round }, 4);
      const copy = Buffer.from(whole.subarray(0, 1 + Math.floor(random[0] * (whole.length - 1))));
      if (round % 2 === 0) copy[Math.floor(random[1] * copy.length)] ^= 1 + Math.floor(random[2] * 255);
      const corpus = await withTrain(copy).catch((error) => {
        expect(error).toBeInstanceOf(DataError);
        expect(copy.toString('utf8')).toContain('\ufffd');
        refused++;
      });
      if (corpus) expect(textOf(corpus, corpus.train)).toBe(expectedTokens(copy.toString('utf8')).join(' '));
    }
    expect(refused).toBeGreaterThan(20);
    expect(refused).toBeLessThan(130);
  });

  it('lets the event loop turn, and stops when it is told to', async () => {
    const controller = new AbortController();
    const reading = withTrain('a b c d e f g\n'.repeat(200_000), { signal: controller.signal });
    setTimeout(() => controller.abort(), 1);
    await expect(reading).rejects.toBeInstanceOf(AbortedError);
  });
});

describe('corpusDigest', () => {
  it('tells apart words, tokens and parts, and nothing else', async () => {
    const digest = async (texts: Texts) => corpusDigest(await load({ ...small, ...texts }));
    const own = await digest({});
    expect(await digest({ 'test.txt': 'the\tbird\r\n' })).toBe(own);
    const others: Texts[] = [
      { 'test.txt': 'the birds' },
      { 'test.txt': 'bird the' },
      { 'valid.txt': 'a cat sat\nthe bird' },
    ];
    const digests = await Promise.all(others.map(digest));
    expect(new Set([own, ...digests]).size).toBe(4);
  });
});
