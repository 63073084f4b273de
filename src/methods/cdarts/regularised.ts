// The penalty on alpha in CDARTS (arXiv:2006.10724): which numbers it counts, and how much.
import type { Supernet } from '../../network/supernet.ts';
import { skipName } from '../../operation/operations.ts';
import type { RowsByTable } from '../../select/alpha.ts';
import type { ResolvedEdge } from '../../space/space.ts';

/** Which candidates are regularised, by name. */
export interface RegularChoice {
  readonly candidates: readonly string[];
  /** Whether a skip connection of stride 2 counts as one: NNI finds a factorized reduction there, no identity. */
  readonly stridedSkips: boolean;
}

const weightless = ['max_pool_3x3', 'avg_pool_3x3', skipName];

/** NNI's: what its classes' names say, poolings, identities and dilated convolutions. */
export const nniRegular: RegularChoice = {
  candidates: [...weightless, 'dil_conv_3x3', 'dil_conv_5x5'],
  stridedSkips: false,
};

/** The authors': those without weights, on all edges. */
export const authorsRegular: RegularChoice = { candidates: weightless, stridedSkips: true };

/** Whether a logit is one that was cut, as NNI tells them. */
export function isCut(logit: number): boolean {
  return Math.abs(logit) >= 1e10;
}

/**
 * The entries of alpha that are regularised, 1 or 0 each by table, as a penalty of kind `l1` takes them; none that is cut in `alpha`, where
 * that is given.
 */
export function regularisedEntries(
  { space, tables }: Pick<Supernet, 'space' | 'tables'>,
  { candidates, stridedSkips }: RegularChoice = nniRegular,
  alpha?: RowsByTable,
): Record<string, Uint8Array> {
  const counts = (edge: ResolvedEdge, name: string) =>
    candidates.includes(name) &&
    (stridedSkips || name !== skipName || space.skeleton.strideOf(edge.cell, edge.input) === 1);
  const entries = Object.values(tables).map(({ name, edges }) => {
    const flags = edges.flatMap((edge) =>
      edge.candidates.map((candidate, index) =>
        Number(counts(edge, candidate.name) && !isCut(alpha?.[name][edge.row][index] ?? 0)),
      ),
    );
    return [name, Uint8Array.from(flags)] as const;
  });
  return Object.fromEntries(entries);
}

/** What decides λ. */
export interface RegularSettings {
  readonly regularCoeff: number;
  /** Share of the epochs behind the warm-up in which it falls to 0. */
  readonly regularRatio: number;
  readonly epochs: number;
  readonly warmupEpochs: number;
  /** Passes of each of them. */
  readonly iterationEpochs: number;
}

/** λ in a pass of an epoch, both from 0: falls linearly from the end of the warm-up on; 0 throughout where it has no epochs to fall in. */
export function regularWeight(settings: RegularSettings, epoch: number, pass = 0): number {
  const { regularCoeff, regularRatio, epochs, warmupEpochs, iterationEpochs } = settings;
  const span = (epochs - warmupEpochs) * iterationEpochs * regularRatio;
  const gone = (epoch - warmupEpochs) * iterationEpochs + pass;
  return span > 0 ? Math.max(regularCoeff * (1 - gone / span), 0) : 0;
}
