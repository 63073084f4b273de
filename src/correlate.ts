import type { TrainPresetName, TrainSettings } from './methods/train/settings.ts';
import { type AlphaCorrelation, type CorrelationOptions, correlate } from './run/correlate.ts';

/** Options of {@link correlateAlpha}. */
export interface CorrelateOptions extends CorrelationOptions {
  /** Ready-made settings of the trainings; `quick` when absent. */
  readonly preset?: TrainPresetName;
  /** Settings that replace the preset's. */
  readonly settings?: Partial<TrainSettings>;
}

/**
 * Whether alpha tells how good candidates are (StacNAS, arXiv:1909.11926): each candidate of an edge that a search kept, but `none`, takes the
 * edge for itself in the genotype that was found; its network is trained from scratch, all with the same seed and settings, and scored on the
 * test images; accuracies are held against mixing weights. Every training is a run directory: called again, those that are done are not done
 * again, and one that was interrupted goes on. Rejects with ArgumentError, FileError, also where such a directory holds a training with other
 * settings, DataError, BackendError, DivergedError or AbortedError.
 */
export function correlateAlpha(options: CorrelateOptions): Promise<AlphaCorrelation> {
  return correlate(options);
}
