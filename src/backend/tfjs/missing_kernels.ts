// Kernels that the wasm platform lacks or has wrong and our networks need, gradients above all: composed of what it has, or
// else the plain CPU platform does those, said once for each.
import type { KernelConfig, NamedAttrMap, NamedTensorInfoMap, Tensor4D, TensorInfo } from '@tensorflow/tfjs';
import { composedKernels } from './composed_kernels.ts';
import type { Tf } from './tf.ts';

/** What a platform's storage looks like from outside. */
// biome-ignore lint/suspicious/noExplicitAny: the platforms' own classes are not part of the API
type Storage = any;

/** Gives of windows at an image's edge, and where elements are equal, other than the plain platform's and PyTorch's. */
const wrong: ReadonlySet<string> = new Set(['MaxPoolGrad']);

/** Gives the wasm platform every kernel that only the CPU platform has right. */
export function fillIn(tf: Tf): void {
  const own = new Set(tf.getKernelsForBackend('wasm').map(({ kernelName }) => kernelName));
  for (const kernel of tf.getKernelsForBackend('cpu')) {
    const { kernelName } = kernel;
    if (own.has(kernelName) && !wrong.has(kernelName)) continue;
    if (own.has(kernelName)) tf.unregisterKernel(kernelName, 'wasm');
    tf.registerKernel(composed(tf, borrowed(tf, kernel)));
  }
}

/** The composition of a kernel where there is one that takes its attributes. */
function composed(tf: Tf, kernel: KernelConfig): KernelConfig {
  const { kernelName, kernelFunc } = kernel;
  const compose = composedKernels[kernelName];
  if (compose === undefined) return kernel;
  return {
    ...kernel,
    kernelFunc: (call) => {
      const tensors = Object.fromEntries(
        Object.entries(call.inputs as NamedTensorInfoMap).map(([name, info]) => [name, info as Tensor4D]),
      );
      const result = tf.tidy(() => compose(tf, tensors, call.attrs as NamedAttrMap) as Tensor4D);
      return result ?? kernelFunc(call);
    },
  };
}

const said = new Set<string>();

function borrowed(tf: Tf, kernel: KernelConfig): KernelConfig {
  const { kernelName, kernelFunc } = kernel;
  return {
    kernelName,
    backendName: 'wasm',
    kernelFunc: ({ inputs, attrs, backend }) => {
      if (!said.has(kernelName)) {
        said.add(kernelName);
        process.emitWarning(`TensorFlow.js has no right ${kernelName} in WebAssembly: its plain CPU platform does it`, {
          code: 'DARTSMITH_TFJS_KERNEL',
        });
      }
      const cpu: Storage = tf.findBackend('cpu');
      const wasm: Storage = backend;
      const copies = copyInputs(inputs as NamedTensorInfoMap, wasm, cpu);
      const result = kernelFunc({ inputs: copies, attrs, backend: cpu });
      const outputs = (Array.isArray(result) ? result : [result]).map((info) => moved(info, cpu, wasm));
      for (const { dataId } of Object.values(copies) as TensorInfo[]) cpu.disposeData(dataId, true);
      return Array.isArray(result) ? outputs : outputs[0];
    },
  };
}

function copyInputs(inputs: NamedTensorInfoMap, wasm: Storage, cpu: Storage): NamedTensorInfoMap {
  const copy = ({ dataId, shape, dtype }: TensorInfo): TensorInfo => ({
    dataId: cpu.write(wasm.readSync(dataId), shape, dtype),
    shape,
    dtype,
  });
  return Object.fromEntries(
    Object.entries(inputs).flatMap(([name, input]) => (input ? [[name, copy(input)] as const] : [])),
  );
}

function moved({ dataId, shape, dtype }: TensorInfo, cpu: Storage, wasm: Storage): TensorInfo {
  const values = cpu.readSync(dataId).slice();
  cpu.disposeData(dataId, true);
  return { dataId: wasm.write(values, shape, dtype), shape, dtype };
}
