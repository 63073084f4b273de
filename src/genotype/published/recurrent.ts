import type { RecurrentGenotype } from '../genotype.ts';
import { type Activation, recurrentCellOf } from '../recurrent.ts';

const letters: Readonly<Record<string, Activation>> = { t: 'tanh', r: 'relu', s: 'sigmoid', i: 'identity' };

/** `r0 t1 ...` is relu from 0, tanh from 1, ... */
function cell(text: string, concat?: readonly number[]): RecurrentGenotype {
  return recurrentCellOf(
    text.split(' ').map(([letter, ...input]) => [letters[letter], Number(input.join(''))]),
    concat,
  );
}

const dartsV2 = cell('s0 r1 r1 i1 t2 s5 t3 r5');

/**
 * Recurrent cells that ship with DARTS (arXiv:1806.09055): two of its own, and that of ENAS (arXiv:1802.03268). Their originals call them
 * DARTS_V1, DARTS_V2, DARTS (the latter) and ENAS, as they call cells for images too, which have those names here.
 */
export const recurrentGenotypes: Readonly<Record<string, RecurrentGenotype>> = {
  DARTS_V1_RNN: cell('r0 r1 t2 r3 r4 i1 r5 r1'),
  DARTS_V2_RNN: dartsV2,
  DARTS_RNN: dartsV2,
  ENAS_RNN: cell('t0 t1 r1 t3 t3 r3 r4 r7 r8 r8 r8', [2, 5, 6, 9, 10, 11]),
};
