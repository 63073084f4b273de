import type { StageOutcome } from './outcome.ts';

/** What the process of a stage tells the check. */
export type StageMessage =
  | { readonly kind: 'device'; readonly description: string }
  | { readonly kind: 'progress'; readonly text: string }
  /** What was found so far, in place of what was told before. */
  | { readonly kind: 'kept'; readonly outcome: StageOutcome }
  | { readonly kind: 'done'; readonly outcome: StageOutcome }
  | { readonly kind: 'error'; readonly message: string };
