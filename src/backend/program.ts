import { checkRecord } from '../checks.ts';
import type { Graph } from '../graph/graph.ts';
import type { Belongings } from './belongings.ts';
import { checkCommand, checkExecuteOptions } from './check_commands.ts';
import type { Command, CompileOptions, ExecuteOptions, Outcome, Program } from './device.ts';
import type { Parameters } from './parameters.ts';

/** What runs a program's commands: its device, behind the checks of `execute`. */
export interface Runner {
  readonly belongings: Belongings;
  run(commands: readonly Command[], signal: AbortSignal | undefined): Promise<Outcome[]>;
}

/** A program whose methods are commands of its device. */
export abstract class CommandProgram implements Program {
  readonly graph: Graph;
  readonly batchSize: number;
  readonly length?: number;
  readonly parameters: Parameters;
  readonly #runner: Runner;

  constructor(runner: Runner, graph: Graph, { batchSize, length, parameters }: CompileOptions) {
    this.#runner = runner;
    this.graph = graph;
    this.batchSize = batchSize;
    if (length !== undefined) this.length = length;
    this.parameters = parameters;
  }

  abstract memory(): ReturnType<Program['memory']>;
  abstract dispose(): void;

  gradients(options: OptionsOf<'gradients'>): Promise<Outcome> {
    return this.#one('gradients', options);
  }

  evaluate(options: OptionsOf<'evaluate'>): Promise<Outcome> {
    return this.#one('evaluate', options);
  }

  hypergradient(options: OptionsOf<'hypergradient'>): Promise<Outcome> {
    return this.#one('hypergradient', options);
  }

  vjp(options: OptionsOf<'vjp'>): Promise<Outcome> {
    return this.#one('vjp', options);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  async #one<Name extends Method>(kind: Name, options: OptionsOf<Name> & ExecuteOptions): Promise<Outcome> {
    checkRecord('options', options, 'what the command takes');
    const { signal, ...fields } = options;
    const command = { ...fields, kind, program: this } as unknown as Command;
    checkExecuteOptions({ signal });
    checkCommand(command, this.#runner.belongings);
    return (await this.#runner.run([command], signal))[0];
  }
}

type Method = 'gradients' | 'evaluate' | 'hypergradient' | 'vjp';

/** What a program's method of that name takes. */
type OptionsOf<Name extends Method> = Program[Name] extends (options: infer Options) => unknown ? Options : never;
