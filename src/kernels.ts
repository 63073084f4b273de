// The package's entry point './kernels': a catalogue of kernels to run alone on any backend, with references and counts.

export type {
  DilatedOptions,
  ImageOptions,
  ImageShape,
  WindowOptions,
} from './kernels/arguments.ts';
export { type KernelName, kernelNames, kernels, kernelVariants } from './kernels/catalogue.ts';
export { type CheckOptions, checkKernel } from './kernels/check.ts';
export {
  defineKernel,
  type KernelDefinition,
  type ReferenceGradients,
  type ReferenceValues,
} from './kernels/definition.ts';
export type {
  MixedEdgeOptions,
  MixedNodeOptions,
  NormalisedOptions,
  NormalisedSumOptions,
  PoolingOptions,
  SeparableOptions,
} from './kernels/fused.ts';
export {
  type Kernel,
  type KernelGradients,
  type KernelInputs,
  type KernelMeasurement,
  type KernelOptions,
  type KernelPassOptions,
  type KernelTiming,
  openKernel,
} from './kernels/open.ts';
export type {
  BatchNormOptions,
  ConvolutionOptions,
  CropOptions,
  LinearOptions,
  LossOptions,
  TermsOptions,
} from './kernels/primitives.ts';
export type {
  RecurrentOptions,
  SequenceOptions,
  VariationalDropoutOptions,
  VectorOptions,
  WordOptions,
} from './kernels/sequences.ts';
export type { IntegerInput, KernelSource } from './kernels/source.ts';
export type { KernelWork, PassWork } from './kernels/work.ts';
