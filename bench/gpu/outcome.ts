// What a stage of the GPU check tells, and how the report keeps it.

/** Something that must hold: a deviation and how large it may be, or a yes or no. */
export interface Check {
  /** What was compared, such as `separable 3x3, 3x7x9x17, tf32: the output`. */
  readonly name: string;
  readonly passed: boolean;
  /** The deviation; Infinity where a number is missing. */
  readonly error?: number;
  readonly allowed?: number;
  /** What else is to know, such as the first element that differs. */
  readonly note?: string;
}

/** Rows of one table of the readable report; all have the same columns. */
export type TableRow = Readonly<Record<string, string | number>>;

/** What a stage gives, whole or so far. */
export interface StageOutcome {
  readonly checks?: readonly Check[];
  /** Why the stage did nothing. */
  readonly skipped?: string;
  /** Contestants and parts that were left out, with the reason. */
  readonly leftOut?: Readonly<Record<string, string>>;
  readonly rows?: readonly TableRow[];
  /** Figures for programs. */
  readonly data?: unknown;
}

/** How a stage ended. `failed`: a check did not hold. `error`: it did not come to its end. */
export type StageStatus = 'passed' | 'failed' | 'error' | 'skipped';

/** A stage in the report. */
export interface StageResult extends StageOutcome {
  readonly stage: string;
  readonly title: string;
  /** A `proof` that does not pass fails the whole check; a `measurement` does not. */
  readonly kind: 'proof' | 'measurement';
  readonly status: StageStatus;
  readonly seconds: number;
  /** What went wrong; what the stage had found until then is kept. */
  readonly error?: string;
}

/** A check of a deviation: NaN never passes. */
export function within(name: string, error: number, allowed: number, note?: string): Check {
  const passed = error <= allowed;
  return { name, passed, error: Number.isNaN(error) ? Number.POSITIVE_INFINITY : error, allowed, note };
}

/** How a stage that came to its end did. */
export function statusOf({ skipped, checks = [] }: StageOutcome): StageStatus {
  if (skipped !== undefined) return 'skipped';
  return checks.every(({ passed }) => passed) ? 'passed' : 'failed';
}
