// How CDARTS' retraining (Yu et al., arXiv:2006.10724, as NNI has it) takes weight decay and drop path from a network's size.

/** What the rule decides. */
export interface SizedSettings {
  readonly weightDecay: number;
  readonly dropPathProb: number;
}

/** By parameters without an auxiliary head; 3 million themselves count as many, as published. */
export function settingsBySize(parameters: number): SizedSettings {
  const millions = parameters / 1e6;
  if (millions < 3) return { weightDecay: 3e-4, dropPathProb: 0.2 };
  if (millions > 3 && millions < 3.5) return { weightDecay: 3e-4, dropPathProb: 0.3 };
  return { weightDecay: 5e-4, dropPathProb: 0.3 };
}
