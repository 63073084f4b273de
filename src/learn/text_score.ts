import { anInteger, check, finite } from '../checks.ts';

/** How well a network predicts a text. */
export interface TextScore {
  /** As published: the sum of all losses, in nats, over the rows of the text, one more than are predicted. */
  readonly loss: number;
  /** e to the `loss`: a little too low. */
  readonly perplexity: number;
  /** The mean loss of a predicted word, in nats. */
  readonly exactLoss: number;
  readonly exactPerplexity: number;
  /** The mean loss of a predicted word, in bits. */
  readonly bitsPerWord: number;
}

/** The score of a text of `rows` rows; `total` is the sum over passes of T times the pass's mean loss. Throws ArgumentError. */
export function textScore(total: number, rows: number): TextScore {
  check('total', total, finite);
  check('rows', rows, anInteger(2));
  const [loss, exactLoss] = [total / rows, total / (rows - 1)];
  return {
    loss,
    perplexity: Math.exp(loss),
    exactLoss,
    exactPerplexity: Math.exp(exactLoss),
    bitsPerWord: exactLoss / Math.LN2,
  };
}
