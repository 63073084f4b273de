// FairDARTS (Chu, Zhou, Zhang, Li, arXiv:1911.12126): mixing weights that do not compete, and a loss that pulls them to 0 or 1.
import type { Command } from '../../backend/device.ts';
import { alphaUpdate } from '../../learn/alpha_step.ts';
import { zeroOneLoss } from '../../learn/zero_one.ts';
import type { AlternatingParts, AlternatingStep } from '../alternating_parts.ts';
import { oneLevelStep } from '../one_level_step.ts';
import { twoTerms, zeroOneMeans, zeroOneReports } from '../zero_one_search.ts';
import type { FairdartsSettings } from './settings.ts';

/** What of a search's parts FairDARTS has of its own: its step, of one level or of two. */
export function fairdartsParts(
  settings: FairdartsSettings,
): Omit<AlternatingParts<FairdartsSettings>, 'select' | 'notices'> {
  return settings.singleLevel ? oneLevel(settings) : twoLevels(settings);
}

/** Alpha on a random search batch by cross-entropy and zero-one loss, then the weights at the new alpha. */
function twoLevels(settings: FairdartsSettings) {
  return { ...zeroOneReports<FairdartsSettings>(settings), validation: 'draw', alpha: alphaStep } as const;
}

/** One pass over the training batch for both; the weights' gradient alone is clipped. */
function oneLevel(settings: FairdartsSettings): Omit<AlternatingParts<FairdartsSettings>, 'select'> {
  return {
    validation: 'none',
    alpha: () => [],
    weights: commonStep,
    outcome: (_, [pass, term, update]) => twoTerms(settings, pass, term, term, [pass, update]),
    means: zeroOneMeans,
  };
}

function alphaStep(step: AlternatingStep<FairdartsSettings>): Command[] {
  const { validationProgram: program, validation, settings, update } = step;
  return [
    { kind: 'gradients', program, batch: validation, target: 'alpha' },
    zeroOneLoss(program, settings.sepLoss, settings.auxLossWeight),
    alphaUpdate(program.parameters, settings, update),
  ];
}

function commonStep(step: AlternatingStep<FairdartsSettings>): Command[] {
  const { program, settings } = step;
  return oneLevelStep(step, [zeroOneLoss(program, settings.sepLoss, settings.auxLossWeight)]);
}
