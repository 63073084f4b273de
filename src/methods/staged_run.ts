// A run in stages: each a run by itself, made from what those before it came to.
import type { Device } from '../backend/device.ts';
import { FileError } from '../errors.ts';
import type { JsonValue, MethodDescription, MethodRun, Position, RunState, Stage } from './method.ts';

/** A run that is a stage of another. */
export interface StageRun extends MethodRun {
  /** What the stages behind it need: small, since every checkpoint of theirs holds it. Asked when the stage has ended. */
  outcome(): Promise<JsonValue>;
}

/** A stage, before anything lies on a device. */
export interface StageDescription extends MethodDescription {
  open(device: Device): Promise<StageRun>;
}

/** A stage of a run. */
export interface StagePart {
  readonly name: string;
  /** `outcomes` are those of the stages before it, in their order. */
  describe(outcomes: readonly JsonValue[]): Promise<StageDescription>;
}

/**
 * A run of stages one after another, with parameters and optimiser state of their own. Of each but the last the run keeps what it leaves, in
 * a folder of its name. What is described is the first.
 */
export async function describeStages(parts: readonly [StagePart, ...StagePart[]]): Promise<MethodDescription> {
  const first = await parts[0].describe([]);
  return {
    ...first,
    stageAt: (index, values) => parts[index].describe(outcomesOf(values).slice(0, index)),
    open: async (device) => new StagedRun(device, parts, first, await first.open(device)),
  };
}

/** Outcomes of the stages that have ended lie among the values under this name. */
const outcomesName = 'outcomes';

class StagedRun implements MethodRun {
  readonly #device: Device;
  readonly #parts: readonly StagePart[];
  #index = 0;
  /** The last stage that was asked for. */
  #asked = -1;
  #description: StageDescription;
  #run: StageRun;

  constructor(device: Device, parts: readonly StagePart[], description: StageDescription, run: StageRun) {
    this.#device = device;
    this.#parts = parts;
    this.#description = description;
    this.#run = run;
  }

  get state(): RunState {
    return this.#run.state;
  }

  get metadata(): MethodRun['metadata'] {
    return this.#run.metadata;
  }

  async stage(index: number): Promise<Stage | undefined> {
    if (index >= this.#parts.length) return undefined;
    if (index > this.#index) await this.#enter(index);
    this.#asked = index;
    const only = await this.#run.stage(0);
    const { graphs, layers } = this.#description;
    const { name } = this.#parts[index];
    const isLast = index + 1 === this.#parts.length;
    return only && { ...only, name, layers, graph: Object.values(graphs)[0], ...(!isLast && { folder: name }) };
  }

  /** Where the values tell of all stages before, they were read from a checkpoint of this one; else the one before has just ended. */
  async #enter(index: number): Promise<void> {
    const { values } = this.#run.state;
    const known = outcomesOf(values);
    const isResumed = known.length >= index;
    if (!isResumed && this.#asked !== index - 1) {
      throw new FileError(`the checkpoint is damaged: expected ${index} ${outcomesName} but got ${known.length}`);
    }
    const outcomes = isResumed ? known : [...known, await this.#run.outcome()];
    const description = await this.#parts[index].describe(outcomes);
    this.#run[Symbol.dispose]();
    this.#run = await description.open(this.#device);
    this.#description = description;
    this.#index = index;
    Object.assign(this.#run.state.values, isResumed ? values : { [outcomesName]: outcomes });
  }

  step(at: Position): ReturnType<MethodRun['step']> {
    return this.#run.step(within(at));
  }

  endEpoch(at: Position, signal?: AbortSignal): ReturnType<MethodRun['endEpoch']> {
    return this.#run.endEpoch(within(at), signal);
  }

  result(): ReturnType<MethodRun['result']> {
    return this.#run.result();
  }

  outcome(): Promise<JsonValue> {
    return this.#run.outcome();
  }

  async architecture(): ReturnType<NonNullable<MethodRun['architecture']>> {
    return this.#run.architecture?.();
  }

  takeUnreadable(): ReturnType<NonNullable<MethodRun['takeUnreadable']>> {
    return this.#run.takeUnreadable?.() ?? [];
  }

  [Symbol.dispose](): void {
    this.#run[Symbol.dispose]();
  }
}

/** A stage is a run by itself. */
function within(at: Position): Position {
  return { ...at, stage: 0 };
}

function outcomesOf(values: RunState['values']): readonly JsonValue[] {
  const outcomes = values[outcomesName];
  return Array.isArray(outcomes) ? outcomes : [];
}
