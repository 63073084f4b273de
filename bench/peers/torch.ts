import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Precision } from '../../src/backend/device.ts';
import type { StepSizes, Work } from '../support/work.ts';
import { startJsonLines } from './json_lines.ts';
import { readTensors, type TorchTensor, writeTensors } from './tensor_file.ts';

/** How PyTorch computes a step: as the published code does, or at its best; see search_step.py. */
export type TorchForm = 'published' | 'tuned';

/** Where and how PyTorch executes a step; see execution.py, whose defaults hold for what is absent. */
export interface TorchExecution {
  readonly device?: 'cpu' | 'cuda';
  readonly precision?: Precision;
  readonly compiled?: boolean;
  readonly graphed?: boolean;
}

/** One step on a random batch. */
export interface TorchTimeOptions extends StepSizes, TorchExecution {
  readonly form: TorchForm;
  readonly work: Work;
  /** Side of the images; 32 when absent. */
  readonly size?: number;
  /** Logits with running statistics instead of a step (evaluation only). */
  readonly inference?: boolean;
}

/** What a step took. */
export interface TorchTiming {
  readonly seconds: number;
  /** Mean loss of the training batch before the weight step. */
  readonly loss: number;
  /** Memory at its largest in the first step of these options: resident, Python included, or of a GPU what is allocated. */
  readonly peakBytes: number;
}

/** The supernet's outer sizes. */
export interface TorchNetwork {
  readonly channels: number;
  readonly layers: number;
  readonly classes: number;
  /** Channels of the images. */
  readonly inputs: number;
}

/** What the model consists of. */
export interface TorchDescription {
  /** Names of the weights in the order of the model. */
  readonly names: readonly string[];
  readonly parameters: number;
  /** Multiply-accumulates of one image's forward pass. */
  readonly macs: number;
}

/** A pass over given values, and the hypergradient of a weight step with these rates. */
export interface TorchCheckOptions extends TorchNetwork {
  readonly dtype: 'float32' | 'float64';
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
  /**
   * Every weight and alpha by its name, `momentum.NAME` for every weight, and two batches: `train.images`, `train.labels`,
   * `validation.images`, `validation.labels`.
   */
  readonly tensors: ReadonlyMap<string, TorchTensor>;
}

/** What came out. */
export interface TorchCheck {
  /** Mean loss of the training batch. */
  readonly loss: number;
  /** Mean loss of the validation batch at the unrolled weights. */
  readonly unrolledLoss: number;
  /**
   * Of the training pass: `logits`, `gradient.NAME` of every weight and alpha, `buffer.NAME` of every running statistic;
   * and `hypergradient.NAME` of every alpha.
   */
  readonly tensors: ReadonlyMap<string, TorchTensor>;
}

/** A running PyTorch process with the DARTS supernet. */
export interface TorchPeer {
  /** PyTorch's version. */
  readonly version: string;
  /** Takes one step. The first with the same options warms up and measures memory: do not count its seconds. */
  time(options: TorchTimeOptions): Promise<TorchTiming>;
  describe(network: TorchNetwork & { readonly size: number }): Promise<TorchDescription>;
  check(options: TorchCheckOptions): Promise<TorchCheck>;
  close(): Promise<void>;
  /** Ends it in the middle of what it does. */
  kill(): Promise<void>;
}

/** A Python that can import PyTorch. */
export interface TorchPython {
  readonly python: string;
  readonly version: string;
}

/** Starts PyTorch where {@link findTorch} finds it. */
export async function openTorchPeer(onMissing?: (reason: string) => void): Promise<TorchPeer | undefined> {
  const found = await findTorch(onMissing);
  return found && serveTorch(found);
}

/**
 * The newest of the Pythons that can import PyTorch: `DARTSMITH_PYTHON` alone where that is set, else python3 of the PATH
 * and /usr/bin/python3. Where none can, gives undefined and tells `onMissing` why.
 */
export async function findTorch(onMissing: (reason: string) => void = () => {}): Promise<TorchPython | undefined> {
  const chosen = process.env.DARTSMITH_PYTHON;
  const pythons = chosen ? [chosen] : ['python3', '/usr/bin/python3'];
  const versions = await Promise.all(pythons.map(torchVersion));
  const [best] = pythons
    .map((python, index) => ({ python, version: versions[index] }))
    .filter((found): found is TorchPython => found.version !== undefined)
    .sort((a, b) => b.version.localeCompare(a.version, 'en', { numeric: true }));
  if (best === undefined) {
    onMissing(
      `no PyTorch: 'import torch' fails in ${pythons.join(' and ')}; set DARTSMITH_PYTHON to a Python that has it`,
    );
  }
  return best;
}

async function torchVersion(python: string): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(python, ['-c', 'import torch; print(torch.__version__)']);
    return stdout.trim();
  } catch {
    return undefined;
  }
}

/** Starts PyTorch in that Python. */
export function serveTorch({ python, version }: TorchPython): TorchPeer {
  // -B: no __pycache__ beside the sources.
  const server = startJsonLines(python, ['-B', join(import.meta.dirname, 'server.py')]);
  const ask = async <Answer>(command: string, options: object) =>
    (await server.ask({ command, ...options })) as unknown as Answer;
  return {
    version,
    time: (options) => ask<TorchTiming>('time', options),
    describe: (network) => ask<TorchDescription>('describe', network),
    check: async ({ tensors, ...options }) => {
      const folder = await mkdtemp(join(tmpdir(), 'dartsmith-torch-'));
      try {
        const [input, output] = [join(folder, 'input'), join(folder, 'output')];
        writeTensors(input, tensors);
        const { loss, unrolledLoss } = await ask<TorchCheck>('check', { ...options, input, output });
        return { loss, unrolledLoss, tensors: readTensors(output) };
      } finally {
        await rm(folder, { recursive: true });
      }
    },
    close: () => server.close(),
    kill: () => server.kill(),
  };
}
