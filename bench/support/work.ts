/**
 * What one measured step does: a first- or second-order search step, one of first order of NAS-Bench-201, one of FairDARTS on two levels, one
 * of either stage of StacNAS; a joint step of both networks of CDARTS; a batch of a score of DARTS-PT; or a training step, of a chain of separable convolutions with affine batch norms,
 * or of the network of DARTS_V2 with its auxiliary head.
 */
export type Work =
  | 'first order'
  | 'second order'
  | 'nasbench201'
  | 'fairdarts'
  | 'search1'
  | 'search2'
  | 'cdarts'
  | 'score'
  | 'chain'
  | 'evaluation'
  | LanguageWork;

/** Of a language model: search steps, and a training step of DARTS_V2's cell. */
export type LanguageWork = (typeof languageWorks)[number];

/** Every kind of them. */
export const languageWorks = ['language first order', 'language second order', 'language evaluation'] as const;

/** Whether a step is one of a language model. */
export function isLanguageWork(work: Work): work is LanguageWork {
  return languageWorks.some((one) => one === work);
}

/** Every kind of work, in the order of the tables. */
export const works: readonly Work[] = [
  ...(['first order', 'second order', 'nasbench201', 'fairdarts', 'search1', 'search2'] as const),
  ...(['cdarts', 'score', 'chain', 'evaluation'] as const),
  ...languageWorks,
];

/**
 * Passes of a step, each counted as the arithmetic of one forward pass: alpha 2 (forward, data gradients), weights 3 (and
 * weight gradients). First order, NAS-Bench-201 and FairDARTS: 2 + 3. StacNAS: 3, alpha's gradient among them. A score: 1. Second order: 3
 * for the unrolled step, 3 at the unrolled weights, twice 2 for the finite difference, 3 for the weight step. CDARTS' step has two networks:
 * its own file counts.
 */
export const passes: Readonly<Record<Exclude<Work, 'cdarts'>, number>> = {
  'first order': 5,
  'second order': 13,
  nasbench201: 5,
  fairdarts: 5,
  search1: 3,
  search2: 3,
  score: 1,
  chain: 3,
  evaluation: 3,
  'language first order': 5,
  'language second order': 13,
  'language evaluation': 3,
};

/** Sizes of a step; images are 32x32x3 of 10 classes. Of a language model the batch is its columns. */
export interface StepSizes {
  readonly batch: number;
  /** Of the first cell, or of every layer of the chain, or of an embedded word. */
  readonly channels: number;
  /** Cells of the network, of CDARTS those of the search network, or separable convolutions of the chain; of a language model times. */
  readonly layers: number;
  /** Of a language model: words of the vocabulary. */
  readonly size?: number;
  readonly threads: number;
}
