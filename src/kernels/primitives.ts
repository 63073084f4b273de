// The primitive ops that networks are made of, each alone. What they compute is said in src/graph/graph.ts.
import type { PoolOptions } from '../graph/builder.ts';
import type { NoiseDistribution } from '../graph/graph.ts';
import {
  choice,
  count,
  type DilatedOptions,
  type ImageOptions,
  imageShape,
  likeInputs,
  slidingWindow,
  type WindowOptions,
  windowName,
} from './arguments.ts';
import { defineKernel, type KernelDefinition } from './definition.ts';

/** Options of {@link conv2d}. */
export interface ConvolutionOptions extends DilatedOptions {
  /** Output channels; those of the input when absent. */
  readonly channels?: number;
  /** 1 when absent. */
  readonly groups?: number;
}

/** Options of {@link batchNorm}. */
export interface BatchNormOptions extends ImageOptions {
  /** With a trained scale and shift; false when absent. */
  readonly affine?: boolean;
}

/** Options of a kernel on several like inputs. */
export interface TermsOptions extends ImageOptions {
  /** Number of inputs; 2 when absent. */
  readonly terms?: number;
}

/** Options of {@link crop}. */
export interface CropOptions extends ImageOptions {
  /** Rows to drop; 1 when absent. */
  readonly top?: number;
  /** Columns to drop; 1 when absent. */
  readonly left?: number;
}

/** Options of {@link dropout}. */
export interface DropoutOptions extends ImageOptions {
  /** 0.5 when absent. */
  readonly rate?: number;
  /** `elements` when absent; `samples` is drop path. */
  readonly drops?: 'elements' | 'samples';
}

/** Options of {@link scale}. */
export interface ScaleOptions extends ImageOptions {
  /** 0.5 when absent. */
  readonly factor?: number;
}

/** Options of {@link softmaxScale}. */
export interface SoftmaxScaleOptions extends ImageOptions {
  /** Entries of the vector of weights; 3 when absent. */
  readonly count?: number;
}

/** Options of {@link noise}. */
export interface NoiseOptions extends ImageOptions {
  /** `normal` when absent. */
  readonly distribution?: NoiseDistribution;
}

/** Options of {@link linear}. */
export interface LinearOptions {
  readonly inputs: number;
  readonly outputs: number;
}

/** Options of {@link distillation}. */
export interface DistillationOptions extends LossOptions {
  /** 2 when absent. */
  readonly temperature?: number;
}

/** Options of losses. */
export interface LossOptions {
  readonly classes: number;
}

/** Dense (or grouped) convolution without bias. Weight `conv2d.weight` `[kernel, kernel, C / groups, channels]`. */
export function conv2d(options: ConvolutionOptions): KernelDefinition<'x'> {
  const shape = imageShape(options.shape);
  const window = slidingWindow(options);
  const { channels = shape[2], groups = 1 } = options;
  const name = windowName('conv2d', window);
  return defineKernel(name, {
    inputs: { x: shape },
    build: (builder, { x }) => builder.conv2d('conv2d', x, { ...window, channels, groups }),
  });
}

/** Convolution of every channel by itself. Weight `depthwise.weight` `[kernel, kernel, 1, C]`. */
export function depthwise(options: DilatedOptions): KernelDefinition<'x'> {
  const shape = imageShape(options.shape);
  const window = slidingWindow(options);
  return defineKernel(windowName('depthwise', window), {
    inputs: { x: shape },
    build: (builder, { x }) => builder.conv2d('depthwise', x, { ...window, channels: shape[2], groups: shape[2] }),
  });
}

/** Batch normalisation with the batch's statistics. Weights, where affine, `norm.weight` and `norm.bias` `[C]`. */
export function batchNorm({ shape, affine = false }: BatchNormOptions): KernelDefinition<'x'> {
  choice('affine', affine, [true, false]);
  return defineKernel(affine ? 'batchNorm affine' : 'batchNorm', {
    inputs: { x: imageShape(shape) },
    build: (builder, { x }) => builder.batchNorm('norm', x, { affine }),
  });
}

/** max(x, 0). */
export function relu({ shape }: ImageOptions): KernelDefinition<'x'> {
  return defineKernel('relu', { inputs: { x: imageShape(shape) }, build: (builder, { x }) => builder.relu(x) });
}

/** Hyperbolic tangent. */
export function tanh({ shape }: ImageOptions): KernelDefinition<'x'> {
  return defineKernel('tanh', { inputs: { x: imageShape(shape) }, build: (builder, { x }) => builder.tanh(x) });
}

/** 1 / (1 + exp(-x)). */
export function sigmoid({ shape }: ImageOptions): KernelDefinition<'x'> {
  return defineKernel('sigmoid', { inputs: { x: imageShape(shape) }, build: (builder, { x }) => builder.sigmoid(x) });
}

/** An image times a constant. */
export function scale({ shape, factor = 0.5 }: ScaleOptions): KernelDefinition<'x'> {
  return defineKernel('scale', {
    inputs: { x: imageShape(shape) },
    build: (builder, { x }) => builder.scale(x, factor),
  });
}

/** An image times the first entry of the softmax of `softmaxScale` `[count]`. */
export function softmaxScale({ shape, count: entries = 3 }: SoftmaxScaleOptions): KernelDefinition<'x'> {
  count('count', entries);
  return defineKernel('softmaxScale', {
    inputs: { x: imageShape(shape) },
    build: (builder, { x }) => builder.softmaxScale('softmaxScale', x, { count: entries, index: 0 }),
  });
}

/** An image plus noise, drawn by what is given with each pass. */
export function noise({ shape, distribution = 'normal' }: NoiseOptions): KernelDefinition<'x'> {
  return defineKernel(distribution === 'normal' ? 'noise' : 'noise of integers', {
    inputs: { x: imageShape(shape) },
    build: (builder, { x }) => builder.noise(x, { distribution }),
  });
}

/** Maximum over a window. */
export function maxPool(options: WindowOptions): KernelDefinition<'x'> {
  return pool('maxPool', options);
}

/** Mean over a window, padding left out. */
export function avgPool(options: WindowOptions): KernelDefinition<'x'> {
  return pool('avgPool', options);
}

function pool(op: 'maxPool' | 'avgPool', options: WindowOptions): KernelDefinition<'x'> {
  const { kernel, stride } = options;
  const window = slidingWindow({ kernel, stride });
  const poolWindow: PoolOptions = { kernel: window.kernel, stride: window.stride, padding: window.padding };
  return defineKernel(windowName(op, window), {
    inputs: { x: imageShape(options.shape) },
    build: (builder, { x }) => builder[op](x, poolWindow),
  });
}

/** Mean over all pixels: `[H, W, C]` to `[C]`. */
export function globalAvgPool({ shape }: ImageOptions): KernelDefinition<'x'> {
  return defineKernel('globalAvgPool', {
    inputs: { x: imageShape(shape) },
    build: (builder, { x }) => builder.globalAvgPool(x),
  });
}

/** Fully connected layer. Weights `linear.weight` `[inputs, outputs]` and `linear.bias` `[outputs]`. */
export function linear({ inputs, outputs }: LinearOptions): KernelDefinition<'x'> {
  count('outputs', outputs);
  return defineKernel('linear', {
    inputs: { x: [count('inputs', inputs)] },
    build: (builder, { x }) => builder.linear('linear', x, outputs),
  });
}

/** Sum of `x0`, `x1` and so on. */
export function add({ shape, terms = 2 }: TermsOptions): KernelDefinition<`x${number}`> {
  return defineKernel('add', {
    inputs: likeInputs(imageShape(shape), count('terms', terms, 2)),
    build: (builder, inputs) => builder.add(Object.values(inputs)),
  });
}

/** `x0`, `x1` and so on side by side, channel after channel. */
export function concat({ shape, terms = 2 }: TermsOptions): KernelDefinition<`x${number}`> {
  return defineKernel('concat', {
    inputs: likeInputs(imageShape(shape), count('terms', terms, 2)),
    build: (builder, inputs) => builder.concat(Object.values(inputs)),
  });
}

/** An image without its first rows and columns. */
export function crop({ shape, top = 1, left = 1 }: CropOptions): KernelDefinition<'x'> {
  return defineKernel('crop', {
    inputs: { x: imageShape(shape) },
    build: (builder, { x }) => builder.crop(x, top, left),
  });
}

/** Elements, or whole samples, dropped by what is given with each pass, and the rest divided by 1 - rate. */
export function dropout({ shape, rate = 0.5, drops = 'elements' }: DropoutOptions): KernelDefinition<'x'> {
  return defineKernel(drops === 'samples' ? 'dropout of samples' : 'dropout', {
    inputs: { x: imageShape(shape) },
    build: (builder, { x }) => builder.dropout(x, { rate, drops }),
  });
}

/** Mean softmax cross-entropy of logits `x` `[classes]` against labels, given with each pass. Its output is a loss. */
export function softmaxCrossEntropy({ classes }: LossOptions): KernelDefinition<'x'> {
  return defineKernel('softmaxCrossEntropy', {
    inputs: { x: [count('classes', classes)] },
    build: (builder, { x }) => builder.softmaxCrossEntropy(x),
  });
}

/** Divergence of a student's logits `x0` `[classes]` from a teacher's `x1`. Its output is a loss. */
export function distillation({ classes, temperature = 2 }: DistillationOptions): KernelDefinition<`x${number}`> {
  return defineKernel('distillation', {
    inputs: logitPair(classes),
    build: (builder, { x0, x1 }) => builder.distillation(x0, x1, { temperature }),
  });
}

/** Smooth L1 loss between vectors `x0` and `x1`. Its output is a loss. */
export function smoothL1({ classes }: LossOptions): KernelDefinition<`x${number}`> {
  return defineKernel('smoothL1', {
    inputs: logitPair(classes),
    build: (builder, { x0, x1 }) => builder.smoothL1(x0, x1),
  });
}

/** Mean squared error between vectors `x0` and `x1`. Its output is a loss. */
export function meanSquaredError({ classes }: LossOptions): KernelDefinition<`x${number}`> {
  return defineKernel('meanSquaredError', {
    inputs: logitPair(classes),
    build: (builder, { x0, x1 }) => builder.meanSquaredError(x0, x1),
  });
}

/** 1 less the cosine of the angle between vectors `x0` and `x1`. Its output is a loss. */
export function cosineDistance({ classes }: LossOptions): KernelDefinition<`x${number}`> {
  return defineKernel('cosineDistance', {
    inputs: logitPair(classes),
    build: (builder, { x0, x1 }) => builder.cosineDistance(x0, x1),
  });
}

/** What a student `x0` learns of labels and of a teacher `x1`, who learns nothing of it. Its output is a loss. */
export function lossSum({ classes }: LossOptions): KernelDefinition<`x${number}`> {
  return defineKernel('lossSum', {
    inputs: logitPair(classes),
    build: (builder, { x0, x1 }) =>
      builder.lossSum([
        { loss: builder.softmaxCrossEntropy(x0), weight: 1 },
        { loss: builder.distillation(x0, builder.detach(x1)), weight: 4 },
      ]),
  });
}

function logitPair(classes: number) {
  const shape = [count('classes', classes)];
  return { x0: shape, x1: shape };
}
