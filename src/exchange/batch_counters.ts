// PyTorch counts the batches of every batch normalisation since 0.4.1, and a strict load_state_dict wants the counts. Nothing here
// uses them: a file's own are kept, others are 0.
import type { WeightTensor } from '../io/safetensors.ts';

type Tensors = ReadonlyMap<string, WeightTensor>;

const statistic = /running_var$/;
const counter = 'num_batches_tracked';

/** Whether a tensor counts batches: PyTorch's are int64. */
export function isCounter(name: string): boolean {
  return name.endsWith(counter);
}

/** The tensors with a counter behind every running variance, in the order of PyTorch's state dict. */
export function withCounters(tensors: Tensors): Tensors {
  const zero: WeightTensor = { shape: [], data: new Float32Array(1) };
  return new Map(
    [...withoutCounters(tensors)].flatMap(([name, tensor]) => {
      const count = name.replace(statistic, counter);
      return count === name
        ? [[name, tensor] as const]
        : [[name, tensor], [count, tensors.get(count) ?? zero] as const];
    }),
  );
}

/** The tensors without counters. */
export function withoutCounters(tensors: Tensors): Tensors {
  return new Map([...tensors].filter(([name]) => !isCounter(name)));
}
