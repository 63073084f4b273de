import { check, isRecord, isTypedArray } from '../../checks.ts';
import { invalid } from '../../errors.ts';
import { text } from '../../option_rules.ts';
import { type Corpus, corpusParts } from './corpus.ts';

/** Throws ArgumentError for a text of a program's own that is none: words of its vocabulary, as {@link Corpus} has them. */
export function checkCorpus(corpus: Corpus): void {
  check('dataset.name', corpus.name, text('a name'));
  const { vocabulary } = corpus;
  if (!isRecord(vocabulary) || !Array.isArray(vocabulary.words)) {
    throw invalid('dataset.vocabulary', 'a vocabulary, as vocabularyOf gives it,', vocabulary);
  }
  for (const part of corpusParts) {
    const tokens: unknown = corpus[part];
    if (!isTypedArray('Int32Array', tokens)) throw invalid(`dataset.${part}`, 'an Int32Array of words', tokens);
    const wrong = (tokens as Int32Array).find((word) => word < 0 || word >= vocabulary.words.length);
    if (wrong !== undefined) throw invalid(`dataset.${part}`, `words below ${vocabulary.words.length}`, wrong);
  }
  if (!Array.isArray(corpus.notices)) throw invalid('dataset.notices', 'a list of lines', corpus.notices);
}
