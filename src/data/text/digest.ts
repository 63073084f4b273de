import { createHash } from 'node:crypto';
import { inSlices, type Steps } from '../../slices.ts';
import { addIntegers } from '../digest.ts';
import { type Corpus, corpusParts } from './corpus.ts';

/** SHA-256, in hexadecimal, over all of a text that decides a run's bits: its words and its tokens; the same on every machine. */
export async function corpusDigest(corpus: Corpus): Promise<string> {
  return inSlices(digestSteps(corpus));
}

function* digestSteps(corpus: Corpus): Steps<string> {
  // With the lengths, so that no two parts run into one another.
  const lengths = corpusParts.map((part) => corpus[part].length);
  const hash = createHash('sha256').update(JSON.stringify([corpus.vocabulary.digest, lengths]));
  for (const part of corpusParts) yield* addIntegers(hash, corpus[part]);
  return hash.digest('hex');
}
