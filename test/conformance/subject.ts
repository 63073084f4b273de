import type { Device } from '../../src/backend/device.ts';
import type { Allowed } from './tolerances.ts';

/** The parts of the suite, in the order of running. */
export const parts = ['nodes', 'supernets', 'derived networks', 'hypergradient', 'ten steps'] as const;

/** One of {@link parts}. */
export type Part = (typeof parts)[number];

/** Tensors by name, as a backend computed them. */
export type Tensors = ReadonlyMap<string, Float32Array>;

/** A subject with its numbers drawn. */
export interface Trial {
  /** Computes all tensors of {@link allowed} on a device. */
  run(device: Device): Promise<Tensors>;
  readonly allowed: ReadonlyMap<string, Allowed>;
}

/** Something that all backends compute and are compared on. */
export interface Subject {
  readonly part: Part;
  /** Row of the matrix; several subjects may share one. */
  readonly row: string;
  /** For messages, such as `conv2d, 2x8x8x16 channels 16, kernel 1`. */
  readonly name: string;
  /** Two backends agree when they do on one of so many draws. */
  readonly draws: number;
  /** Draws numbers; `draw` from 0. */
  prepare(draw: number): Trial;
}
