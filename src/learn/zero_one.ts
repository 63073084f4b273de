// The zero-one loss of FairDARTS (arXiv:1911.12126, section 4.3): it pulls each mixing weight away from 0.5.
import type { Command, Penalty, Program } from '../backend/device.ts';
import { choice, number, type SettingTable } from '../setting_rules.ts';

/** Its forms: mean over the mixing weights m of -(m - 0.5)² or of -|m - 0.5|. */
export const separationLosses = ['l2', 'l1'] as const;

/** What decides it. */
export interface ZeroOneSettings {
  /** Its weight in the loss of alpha. */
  readonly auxLossWeight: number;
  readonly sepLoss: (typeof separationLosses)[number];
}

/** The settings of methods that may have it, its weight being `usual` unless told. */
export function zeroOneRules(usual: number) {
  return {
    auxLossWeight: number(
      usual,
      0,
      1e6,
      'of the zero-one loss, which pulls mixing weights away from 0.5; late in a search both terms should be of one size; 0 for none',
    ),
    sepLoss: choice(
      'l2',
      separationLosses,
      'form of the zero-one loss: l2 takes squared distances from 0.5, l1 absolute ones',
    ),
  } satisfies SettingTable;
}

const penalties: Readonly<Record<ZeroOneSettings['sepLoss'], Penalty>> = { l2: 'zeroOneL2', l1: 'zeroOneL1' };

/** Adds `weight` times its gradient to that of alpha; its outcome tells the loss without the weight. */
export function zeroOneLoss({ parameters, graph }: Program, form: ZeroOneSettings['sepLoss'], weight: number): Command {
  const mixed = graph.nodes.find((node) => node.op === 'mixed');
  return { kind: 'penalty', parameters, penalty: penalties[form], weight, activation: mixed?.activation };
}
