import type { Graph } from '../graph/graph.ts';
import type { Command, Device, ExecuteOptions, Outcome, Program } from './device.ts';
import type { Parameters } from './parameters.ts';

/** A program whose methods are commands of its device. */
export abstract class CommandProgram implements Program {
  readonly graph: Graph;
  readonly batchSize: number;
  readonly parameters: Parameters;
  readonly #device: Pick<Device, 'execute'>;

  constructor(device: Pick<Device, 'execute'>, graph: Graph, batchSize: number, parameters: Parameters) {
    this.#device = device;
    this.graph = graph;
    this.batchSize = batchSize;
    this.parameters = parameters;
  }

  abstract memory(): ReturnType<Program['memory']>;
  abstract dispose(): void;

  gradients(options: OptionsOf<'gradients'>): Promise<Outcome> {
    return this.#one({ ...options, kind: 'gradients', program: this }, options);
  }

  evaluate(options: OptionsOf<'evaluate'>): Promise<Outcome> {
    return this.#one({ ...options, kind: 'evaluate', program: this }, options);
  }

  hypergradient(options: OptionsOf<'hypergradient'>): Promise<Outcome> {
    return this.#one({ ...options, kind: 'hypergradient', program: this }, options);
  }

  vjp(options: OptionsOf<'vjp'>): Promise<Outcome> {
    return this.#one({ ...options, kind: 'vjp', program: this }, options);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  async #one(command: Command, { signal }: ExecuteOptions): Promise<Outcome> {
    return (await this.#device.execute([command], { signal }))[0];
  }
}

/** What a program's method of that name takes. */
type OptionsOf<Name extends 'gradients' | 'evaluate' | 'hypergradient' | 'vjp'> = Program[Name] extends (
  options: infer Options,
) => unknown
  ? Options
  : never;
