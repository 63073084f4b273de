import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  checkVocabulary,
  readVocabulary,
  vocabularyOf,
  writeVocabulary,
} from '../../../../src/data/text/vocabulary.ts';
import { ArgumentError, FileError } from '../../../../src/errors.ts';
import { scratch } from '../../../helpers/scratch.ts';

const words = ['the', '<eos>', '<unk>', "n't", '"', '\\', 'é', '🙂', '\ufeffx', '__proto__', 'constructor', '0'];
const path = () => join(scratch(), 'vocabulary.json');

describe('a vocabulary', () => {
  it('knows words by number and numbers by word', () => {
    const vocabulary = vocabularyOf(words);
    expect(vocabulary.words.map((word) => vocabulary.numberOf(word))).toEqual(words.map((_, number) => number));
    expect(vocabulary.numberOf('toString')).toBeUndefined();
  });

  it('is told by its digest, order included', () => {
    const digests = [words, words.toReversed(), words.slice(1), ['theÿ', ...words.slice(1)]].map(
      (list) => vocabularyOf(list).digest,
    );
    expect(new Set(digests).size).toBe(4);
    // printf 'a\nb\n' | sha256sum
    expect(vocabularyOf(['a', 'b']).digest).toBe('911169ddaaf146aff539f58c26c489af3b892dff0fe283c1c264c65ae5aa59a2');
  });

  it.each<[string, unknown, string]>([
    ['no list', 'a', 'a list of 1 to 16777216 words for words'],
    ['no words', [], 'a list of 1 to 16777216 words'],
    ['a number', ['a', 1], 'a word without white space for words[1] but received 1'],
    ['an empty word', [''], 'a word without white space for words[0]'],
    ['a space', ['a b'], 'a word without white space for words[0]'],
    ['a wide space', ['a', 'b\u3000'], 'a word without white space for words[1]'],
    ['half a character', ['\ud83d'], 'a word without white space for words[0]'],
    ['a hole', Array(1), 'a word without white space for words[0] but received undefined'],
    ['a word twice', ['a', 'b', 'a'], "a word that has no number yet for words[2] but received 'a'"],
  ])('is not made of %s', (_, list, message) => {
    expect(() => vocabularyOf(list as string[])).toThrow(ArgumentError);
    expect(() => vocabularyOf(list as string[])).toThrow(message);
  });
});

describe('a file of a vocabulary', () => {
  it('gives what was written', async () => {
    const [file, vocabulary] = [path(), vocabularyOf(words)];
    await writeVocabulary(file, vocabulary);
    const read = await readVocabulary(file);
    expect(read.words).toEqual(words);
    expect(read.digest).toBe(vocabulary.digest);
  });

  it('is refused where it is cut or was changed', async () => {
    const file = path();
    await writeVocabulary(file, vocabularyOf(words));
    const text = readFileSync(file, 'utf8');
    for (let end = 0; end < text.trimEnd().length; end += 7) {
      writeFileSync(file, text.slice(0, end));
      await expect(readVocabulary(file)).rejects.toThrow(
        `${file} holds no vocabulary: expected JSON with digest and words`,
      );
    }
    const changes: [string, string, string][] = [
      ['"the"', '"a"', 'which it does not tell: it was changed'],
      ['"the"', '"a b"', "expected a word without white space for words[0] but received 'a b'"],
      ['"words"', '"w"', 'expected a list of 1 to 16777216 words'],
      ['"digest"', '"d"', 'which it does not tell'],
    ];
    for (const [right, wrong, message] of changes) {
      writeFileSync(file, text.replace(right, wrong));
      await expect(readVocabulary(file)).rejects.toThrow(message);
      await expect(readVocabulary(file)).rejects.toBeInstanceOf(FileError);
    }
    writeFileSync(file, '[]');
    await expect(readVocabulary(file)).rejects.toThrow('expected an object with digest and words');
  });

  it('is told of where it is not there or not of a vocabulary', async () => {
    await expect(readVocabulary(path())).rejects.toThrow('no such file or folder');
    await expect(readVocabulary('')).rejects.toThrow(ArgumentError);
    await expect(writeVocabulary(path(), { words: ['a b'] } as never)).rejects.toThrow(ArgumentError);
  });
});

describe('checkVocabulary', () => {
  it('refuses one whose numbers mean other words, in one line', () => {
    const own = vocabularyOf(words);
    const known = { words: words.length, digest: own.digest };
    expect(() => checkVocabulary(own, known, 'D', 'runs/a')).not.toThrow();
    const other = vocabularyOf(words.toReversed());
    expect(() => checkVocabulary(other, known, 'D', 'runs/a')).toThrow(FileError);
    expect(() => checkVocabulary(other, known, 'D', 'runs/a')).toThrow(
      `the vocabulary of D (12 words, digest ${other.digest.slice(0, 12)}) does not fit runs/a, whose numbers mean other words ` +
        `(12 words, digest ${own.digest.slice(0, 12)}): give it the text that it was trained with`,
    );
  });
});
