// Commands of language models in float64, by the reference's passes: the oracle of what a method asks of a device.
import type {
  AdamCommand,
  Command,
  CopyCommand,
  DirectBatch,
  DropoutDraw,
  HypergradientCommand,
  Outcome,
  Program,
  SgdCommand,
} from '../../src/backend/device.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import type { Graph, ParameterSpec } from '../../src/graph/graph.ts';
import { elementsOf } from '../../src/graph/shape.ts';
import { type ReferenceResult, runReference } from '../../src/reference/interpreter.ts';
import { moved, norm, ofRole, type ParameterVector } from './parameter_space.ts';

/** What lies on a device, in float64. */
export interface ReferenceState {
  values: Map<string, Float64Array>;
  readonly gradients: Map<string, Float64Array>;
  readonly moments: Map<string, Readonly<Record<'first' | 'second', Float64Array>>>;
  readonly specs: readonly ParameterSpec[];
}

/** Parts of a hypergradient that a device keeps to itself; lists of weights are by name. */
export interface HypergradientParts {
  readonly unrolledNorm: number;
  readonly unrolledCoefficient: number;
  readonly unrolled: ParameterVector;
  readonly direct: Float64Array;
  readonly directionNorm: number;
  readonly epsilon: number;
  readonly plus: Float64Array;
  readonly minus: Float64Array;
  readonly implicit: Float64Array;
}

/** An outcome in float64, and of a hypergradient its parts. */
export type ReferenceOutcome = Outcome & { readonly parts?: HypergradientParts };

/** Runs commands of language models; parameters and programs are those that it gave. */
export class ReferenceCommands {
  readonly #states = new WeakMap<Parameters, ReferenceState>();

  /** Parameters of graphs that share those of one name; zeros where `values` has none. */
  parameters(graphs: readonly Graph[], values: ParameterVector): Parameters {
    const specs = [
      ...new Map(graphs.flatMap(({ parameters }) => parameters.map((spec) => [spec.name, spec]))).values(),
    ];
    const own = new Map(
      specs.map(({ name, shape }) => [name, values.get(name)?.slice() ?? new Float64Array(elementsOf(shape))]),
    );
    const key = { map: { graphs } } as unknown as Parameters;
    this.#states.set(key, { values: own, gradients: new Map(), moments: new Map(), specs });
    return key;
  }

  program(graph: Graph, batchSize: number, parameters: Parameters): Program {
    return { graph, batchSize, parameters } as unknown as Program;
  }

  state(parameters: Parameters): ReferenceState {
    return this.#states.get(parameters)!;
  }

  run(command: Command): ReferenceOutcome {
    if (command.kind === 'gradients') {
      const { program, batch, target, accumulate } = command;
      return this.#gradients(program, batch as DirectBatch, target, accumulate === true);
    }
    if (command.kind === 'hypergradient') return this.#hypergradient(command);
    if (command.kind === 'sgd') return this.#sgd(command);
    if (command.kind === 'adam') return this.#adam(command);
    if (command.kind === 'copy') return this.#copy(command);
    if (command.kind !== 'average') throw new Error(`no language model asks for ${command.kind}`);
    const { parameters, averages, decay } = command;
    const [from, to] = [this.state(parameters), this.state(averages)];
    for (const name of ofRoles(to.specs, ['weight', 'buffer'])) {
      const own = from.values.get(name)!;
      to.values.set(
        name,
        to.values.get(name)!.map((value, i) => decay * value + (1 - decay) * own[i]),
      );
    }
    return {};
  }

  #copy({ parameters, target }: CopyCommand): Outcome {
    const from = this.state(parameters).values;
    for (const name of this.state(target).values.keys()) this.state(target).values.set(name, from.get(name)!.slice());
    return {};
  }

  #gradients(program: Program, batch: DirectBatch, target: string, accumulate: boolean): Outcome {
    const state = this.state(program.parameters);
    const result = pass(program, state.values, batch);
    for (const [name, values] of result.buffers) state.values.set(name, values);
    this.#handOn(state, batch, result);
    const roles = { weights: ['weight'], alpha: ['alpha'], both: ['weight', 'alpha'] }[target]!;
    for (const name of ofRoles(program.graph.parameters, roles)) {
      const values = result.gradients.get(name)!;
      const before = accumulate ? state.gradients.get(name) : undefined;
      state.gradients.set(name, before === undefined ? values : values.map((value, i) => value + before[i]));
    }
    return outcomeOf(program, result);
  }

  #handOn(state: ReferenceState, { hidden }: DirectBatch, result: ReferenceResult): void {
    if (hidden?.to !== undefined) state.values.set(hidden.to, result.hidden!);
  }

  /** As darts-rnn.md has it: w', v, both sides, what is taken off. */
  #hypergradient(command: HypergradientCommand): ReferenceOutcome {
    const {
      program,
      learningRate,
      weightDecay,
      maxNorm = Number.POSITIVE_INFINITY,
      unclamped,
      heldGroups = [],
    } = command;
    const [train, validation] = [command.train as DirectBatch, command.validation as DirectBatch];
    const { graph } = program;
    const state = this.state(program.parameters);
    const trainPass = (point: ParameterVector, dropout: DropoutDraw | undefined) => {
      const result = pass(program, point, { ...train, dropout });
      for (const [name, values] of result.buffers) state.values.set(name, values);
      return result;
    };
    const first = ofRole(graph, trainPass(state.values, train.dropout).gradients, 'weight');
    const unrolledNorm = norm(first);
    const coefficient = maxNorm / (unrolledNorm + 1e-6);
    const decayed = moved(scaled(first, Math.min(1, coefficient)), ofRole(graph, state.values, 'weight'), weightDecay);
    const moving = new Map([...decayed].filter(([name]) => !heldGroups.includes(groupOf(graph, name))));
    const unrolled = moved(state.values, moving, -learningRate);
    const atUnrolled = pass(program, unrolled, validation);
    this.#handOn(state, validation, atUnrolled);
    const direction = ofRole(graph, atUnrolled.gradients, 'weight');
    const directionNorm = norm(direction);
    const v = scaled(direction, Math.min(1, maxNorm / (directionNorm + 1e-6)));
    const epsilon = (command.radius ?? 0.01) / norm(v);
    const [ahead, behind] = command.perturbed ?? [train.dropout, train.dropout];
    const [table] = ofRoles(graph.parameters, ['alpha']);
    const side = (sign: number, draw: DropoutDraw | undefined) =>
      trainPass(moved(state.values, v, sign * epsilon), draw).gradients.get(table)!;
    const [plus, minus] = [side(1, ahead), side(-1, behind)];
    const factor = (learningRate * (unclamped ? coefficient : Math.min(1, coefficient))) / (2 * epsilon);
    const implicit = plus.map((value, i) => factor * (value - minus[i]));
    const direct = atUnrolled.gradients.get(table)!;
    // A device leaves nothing of use in their place.
    for (const name of v.keys()) state.gradients.delete(name);
    state.gradients.set(
      table,
      direct.map((value, i) => value - implicit[i]),
    );
    const figures = { unrolledNorm, unrolledCoefficient: coefficient, directionNorm, epsilon };
    const parts = { ...figures, unrolled: ofRole(graph, unrolled, 'weight'), direct, plus, minus, implicit };
    return { ...outcomeOf(program, atUnrolled), gradientNorm: unrolledNorm, directionNorm, parts };
  }

  #sgd({ parameters, learningRate, weightDecay, maxNorm, momentum }: SgdCommand): Outcome {
    if (momentum !== 0) throw new Error('language models are moved without momentum');
    const { values, gradients, specs } = this.state(parameters);
    const names = ofRoles(specs, ['weight']);
    const gradientNorm = norm(new Map(names.map((name) => [name, gradients.get(name)!])));
    const factor = Math.min(1, maxNorm / (gradientNorm + 1e-6));
    for (const name of names) {
      const gradient = gradients.get(name)!;
      const weights = values.get(name)!;
      values.set(
        name,
        weights.map((weight, i) => weight - learningRate * (factor * gradient[i] + weightDecay * weight)),
      );
    }
    return { gradientNorm };
  }

  #adam({ parameters, learningRate, betas, epsilon, weightDecay, step }: AdamCommand): Outcome {
    const { values, gradients, moments, specs } = this.state(parameters);
    for (const name of ofRoles(specs, ['alpha'])) {
      const alpha = values.get(name)!;
      const zeros = new Float64Array(alpha.length);
      const { first, second } = moments.get(name) ?? { first: zeros, second: zeros };
      const slopes = gradients.get(name)!.map((value, i) => value + weightDecay * alpha[i]);
      const mean = first.map((value, i) => betas[0] * value + (1 - betas[0]) * slopes[i]);
      const square = second.map((value, i) => betas[1] * value + (1 - betas[1]) * slopes[i] ** 2);
      moments.set(name, { first: mean, second: square });
      const rate = learningRate / (1 - betas[0] ** step);
      values.set(
        name,
        alpha.map((value, i) => value - (rate * mean[i]) / (Math.sqrt(square[i] / (1 - betas[1] ** step)) + epsilon)),
      );
    }
    return {};
  }
}

function pass({ graph, batchSize }: Program, parameters: ParameterVector, batch: DirectBatch): ReferenceResult {
  const { inputs, labels, dropout, hidden } = batch;
  return runReference(graph, {
    ...{ parameters, labels, dropout, columns: batchSize, batchSize: labels!.length, training: true },
    inputs: Object.fromEntries(Object.entries(inputs).map(([name, values]) => [name, Float64Array.from(values)])),
    hidden: hidden?.from === undefined ? undefined : parameters.get(hidden.from),
  });
}

function outcomeOf({ graph }: Program, { loss, outputs }: ReferenceResult): Outcome {
  const last = graph.nodes[graph.output];
  return { loss, ...(last.op === 'lossSum' && { terms: last.inputs.map((node) => outputs[node][0]) }) };
}

function ofRoles(specs: readonly ParameterSpec[], roles: readonly string[]): string[] {
  return specs.filter(({ role }) => roles.includes(role)).map(({ name }) => name);
}

function groupOf({ parameters }: Graph, name: string): string {
  return parameters.find((spec) => spec.name === name)?.group ?? '';
}

function scaled(vector: ParameterVector, factor: number): Map<string, Float64Array> {
  return new Map([...vector].map(([name, values]) => [name, values.map((value) => factor * value)]));
}
