import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Corpus, type CorpusPart, corpusParts } from '../../src/data/text/corpus.ts';
import { vocabularyOf } from '../../src/data/text/vocabulary.ts';
import { randomBlock } from '../../src/random/philox.ts';

/** Two steps an epoch, or one more, on {@link tinyCorpus}. */
export const tinyTextSettings = { emsize: 3, epochs: 2, batchSize: 4, bptt: 4 };

const vocabulary = ['<eos>', 'a', 'b', 'c', 'd'];

/** A random text of five words: tokens of each of its parts. */
export function tinyCorpus(
  lengths: Readonly<Record<CorpusPart, number>> = { train: 40, valid: 20, test: 20 },
  seed = 1,
): Corpus {
  const tokensOf = (part: CorpusPart) => {
    const stream = { seed, purpose: 'split', epoch: corpusParts.indexOf(part), step: 0 } as const;
    return Int32Array.from({ length: lengths[part] }, (_, i) => randomBlock(stream, i)[0] % vocabulary.length);
  };
  return {
    name: 'tiny text',
    vocabulary: vocabularyOf(vocabulary),
    ...{ train: tokensOf('train'), valid: tokensOf('valid'), test: tokensOf('test') },
    notices: [],
  };
}

/** Writes such a text as a folder of files, a line each four words, and gives the folder. */
export function writeTinyText(folder: string, lengths?: Readonly<Record<CorpusPart, number>>, seed?: number): string {
  mkdirSync(folder, { recursive: true });
  const corpus = tinyCorpus(lengths, seed);
  for (const part of corpusParts) {
    const words = Array.from(corpus[part], (word) => vocabulary[1 + (word % (vocabulary.length - 1))]);
    const lines = Array.from({ length: Math.ceil(words.length / 4) }, (_, line) =>
      words.slice(4 * line, 4 * line + 4).join(' '),
    );
    writeFileSync(join(folder, `${part}.txt`), `${lines.join('\n')}\n`);
  }
  return folder;
}
