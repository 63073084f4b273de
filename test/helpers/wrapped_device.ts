import type { Device, Outcome } from '../../src/backend/device.ts';

/** A device whose vector-Jacobian products are changed by `change` before anyone sees them; the rest is the inner one's. */
export function wrapDevice(inner: Device, change: (outcome: Outcome) => Outcome): Device {
  return {
    backend: inner.backend,
    description: `wrapped ${inner.description}`,
    recordedKernels: inner.recordedKernels,
    measurePeak: () => inner.measurePeak(),
    createParameters: (graph, options) => inner.createParameters(graph, options),
    createDataset: (arrays) => inner.createDataset(arrays),
    execute: (commands, options) => inner.execute(commands, options),
    compile(graph, options) {
      const program = inner.compile(graph, options);
      const dispose = () => program.dispose();
      return {
        graph,
        batchSize: options.batchSize,
        parameters: options.parameters,
        memory: () => program.memory(),
        gradients: (given) => program.gradients(given),
        evaluate: (given) => program.evaluate(given),
        hypergradient: (given) => program.hypergradient(given),
        vjp: async (given) => change(await program.vjp(given)),
        dispose,
        [Symbol.dispose]: dispose,
      };
    },
    dispose() {},
    [Symbol.dispose]() {},
  };
}
