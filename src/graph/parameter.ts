import type { ParameterSpec } from './graph.ts';

/** Whether two uses of a name mean one parameter: they agree in all there is to say of it. */
export function isSameParameter(a: ParameterSpec, b: ParameterSpec): boolean {
  return JSON.stringify(inOrder(a)) === JSON.stringify(inOrder(b));
}

function inOrder({ initialiser, ...spec }: ParameterSpec): unknown {
  const { name, role, shape, layout, group, untrained, rowLengths } = spec;
  return [name, role, shape, layout, Object.entries(initialiser).sort(), group, untrained, rowLengths];
}
