import type { Device, Precision, Program } from '../backend/device.ts';
import type { Parameters } from '../backend/parameters.ts';
import type { Graph } from '../graph/graph.ts';

/** A graph's programs by batch size, compiled when first asked for; they share the parameters. */
export interface ProgramSet extends Disposable {
  readonly programFor: (batchSize: number) => Program;
  dispose(): void;
}

/** A set that compiles `graph` on `device`. */
export function createProgramSet(
  device: Device,
  graph: Graph,
  parameters: Parameters,
  precision: Precision,
): ProgramSet {
  const programs = new Map<number, Program>();
  const dispose = () => {
    for (const program of programs.values()) program.dispose();
    programs.clear();
  };
  const programFor = (batchSize: number) => {
    const program = programs.get(batchSize) ?? device.compile(graph, { batchSize, parameters, precision });
    programs.set(batchSize, program);
    return program;
  };
  return { programFor, dispose, [Symbol.dispose]: dispose };
}
