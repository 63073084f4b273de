// The measures of all methods, by the names of their descriptions, as programs find them in events.

/** What a step may report. */
export interface StepMeasures {
  /** Mean loss of this step's training batch, at the weights before the update. */
  readonly loss: number;
  /** Share of this step's training batch classified right. */
  readonly accuracy: number;
  /** Of a text: e to the loss. */
  readonly perplexity?: number;
  /** Of a search: loss of this step's validation batch, the one alpha learned from. */
  readonly validationLoss?: number;
  /** Of a selection by perturbation: how the supernet does on all validation images without something. */
  readonly scoreAccuracy?: number;
  readonly scoreLoss?: number;
  /** Of a search with a zero-one loss: that loss where alpha learned, without its weight. */
  readonly zeroOneLoss?: number;
  /** Of a search in a cycle, where its evaluation network learns alone: loss and share of hits of that on the training batch. */
  readonly evaluationLoss?: number;
  readonly evaluationAccuracy?: number;
  /** Where both learn together: the evaluation network's loss of the validation batch, and how far the outputs of both are apart. */
  readonly evaluationValidationLoss?: number;
  readonly distance?: number;
  /** Sum of the sizes of alpha that are regularised, without the weight of that. */
  readonly regulariser?: number;
}

/** What an epoch may report; one of a random search, where nothing is trained, has `megaflops` alone. */
export interface EpochMeasures {
  readonly learningRate: number;
  /** Means over the epoch's training batches. */
  readonly trainLoss: number;
  readonly trainAccuracy: number;
  /** On all images that are kept for it, with running statistics. */
  readonly validationLoss: number;
  readonly validationAccuracy: number;
  /** Share of those images whose label is among the five likeliest classes (where there are more). */
  readonly validationTop5?: number;
  /** Of a search with a zero-one loss, means over the epoch's steps: cross-entropy where alpha learned, and that loss without its weight. */
  readonly searchLoss?: number;
  readonly zeroOneLoss?: number;
  /** Of a search in a cycle, means over its steps: of its evaluation network alone, and of both together. */
  readonly evaluationTrainLoss?: number;
  readonly evaluationTrainAccuracy?: number;
  readonly evaluationValidationLoss?: number;
  readonly distance?: number;
  readonly regulariser?: number;
  /** The weight of that. */
  readonly regularWeight?: number;
  /** Of a training whose network's size decides them: the decay of its weights, and how probably the epoch dropped a path. */
  readonly weightDecay?: number;
  readonly dropPath?: number;
  /** Of a text: e to the losses; the validation loss is as published, a sum over one word too many, and `exact` of what it should be. */
  readonly trainPerplexity?: number;
  readonly validationPerplexity?: number;
  readonly exactPerplexity?: number;
  readonly bitsPerWord?: number;
  /** Of a random search: millions of FLOPs of the network of the architecture that was drawn, as papers count them. */
  readonly megaflops?: number;
}
