// What runs work on: labelled images, or a text.
import type { Dataset, ImageSet } from './dataset.ts';
import { datasetDigest } from './digest.ts';
import type { Corpus } from './text/corpus.ts';
import { corpusDigest } from './text/digest.ts';

/** The kinds of data that methods may take. */
export const dataKinds = ['images', 'text'] as const;

/** One of {@link dataKinds}. */
export type DataKind = (typeof dataKinds)[number];

/** Data of either kind. */
export type RunData = Dataset<ImageSet> | Corpus;

/** Whether data are a text. */
export function isCorpus(data: RunData): data is Corpus {
  return 'vocabulary' in data;
}

/** What all of the data that decides a run's bits comes to, in hexadecimal. */
export async function dataDigest(data: RunData): Promise<string> {
  return isCorpus(data) ? corpusDigest(data) : datasetDigest(data);
}
