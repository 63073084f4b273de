import type { CdartsSettings } from './settings.ts';

/**
 * λ of alpha's regulariser in an epoch of the search, those of the warm-up counted: from `regularCoeff` it falls to 0 in a share of the
 * epochs behind the warm-up (CDARTS, arXiv:2006.10724, as NNI has it).
 */
export function regularWeight(
  {
    epochs,
    warmupEpochs,
    regularCoeff,
    regularRatio,
  }: Pick<CdartsSettings, 'epochs' | 'warmupEpochs' | 'regularCoeff' | 'regularRatio'>,
  epoch: number,
): number {
  const share = (epoch - warmupEpochs) / ((epochs - warmupEpochs) * regularRatio);
  return Math.max(regularCoeff * (1 - share), 0);
}
