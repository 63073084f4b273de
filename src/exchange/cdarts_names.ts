// The names that NNI's versions have for the candidates of an edge in networks of CDARTS (arXiv:2006.10724), as ours: those of the version
// 1.6 and after it. Before, a retrained network too kept all candidates, of which its file of choices says which run.
import type { Genotype } from '../genotype/genotype.ts';
import type { WeightTensor } from '../io/safetensors.ts';
import { cdartsOperations } from '../operation/cdarts.ts';
import { noneName } from '../operation/operations.ts';
import { cellType } from '../skeleton/cell_stack.ts';
import { isAlphaName } from './alphas.ts';
import type { NetworkSizes } from './network_sizes.ts';
import type { TensorSource } from './tensor_source.ts';

const choice = /((?:^|\.)cells\.\d+\.mutable_ops\.\d+\.ops\.\d+\.)choices\.(?=\d+\.)/;

/** A file's tensors without what versions 1.4 and 1.5 put before the number of a candidate. */
export function withoutChoices(source: TensorSource): TensorSource {
  if (!source.paths.some((path) => choice.test(path))) return source;
  const known = new Set(source.paths);
  const paths = new Map(
    source.paths.map((path) => {
      const name = path.replace(choice, '$1');
      // One that is there by itself stays what it is.
      return [known.has(name) ? path : name, path] as const;
    }),
  );
  return {
    ...source,
    paths: [...paths.keys()],
    read: (wanted) => {
      const read = source.read(wanted.map((name) => paths.get(name)!));
      return new Map(wanted.map((name) => [name, read.get(paths.get(name)!)!] as const));
    },
  };
}

const numbered = /^cells\.(\d+)\.mutable_ops\.(\d+)\.ops\.(\d+)(?=\.\d+\.)/;

/** Candidates by number: the last one has no weights of its own. */
const candidates = Object.keys(cdartsOperations).filter((name) => name !== noneName);

/** Weights of a network and what they tell of it. */
export interface SizedWeights {
  readonly tensors: ReadonlyMap<string, WeightTensor>;
  readonly sizes: NetworkSizes;
}

/**
 * Weights of numbered candidates as those of a genotype's derived network: each edge has the candidate that the genotype chooses, under the
 * edge's own name. Those of a search, which has alpha, and of any other network come back as they are.
 */
export function chosenWeights({ tensors, sizes }: SizedWeights, genotype: Genotype): SizedWeights {
  const isRetrained = sizes.skeleton === 'cdarts' && sizes.supernet && ![...tensors.keys()].some(isAlphaName);
  if (!isRetrained || genotype.cell !== undefined) return { tensors, sizes };
  const cellOf = (layer: number) => genotype.cells?.[layer] ?? genotype[cellType(layer, sizes.layers)];
  const chosen = [...tensors].flatMap(([name, tensor]) => {
    const place = numbered.exec(name);
    if (place === null) return [[name, tensor] as const];
    const [edge, layer, node, input] = place;
    const entry = cellOf(Number(layer))?.nodes[Number(node)]?.find((one) => one.input === Number(input));
    const prefix = `${edge}.${candidates.indexOf(entry?.operation ?? '')}`;
    return name.startsWith(`${prefix}.`) ? [[edge + name.slice(prefix.length), tensor] as const] : [];
  });
  return { tensors: new Map(chosen), sizes: { ...sizes, supernet: false } };
}
