import { tensorsToArenas } from '../backend/parameter_file.ts';
import { placeParameters } from '../backend/parameter_map.ts';
import type { Genotype } from '../genotype/genotype.ts';
import { elementsOf } from '../graph/shape.ts';
import type { WeightTensor } from '../io/safetensors.ts';
import { mixingWeights } from '../network/mixing.ts';
import { buildSupernet, type Supernet } from '../network/supernet.ts';
import { genotypeOf } from '../select/strongest_edges.ts';
import { type SearchSpace, spaceOf, spaces } from '../space/space.ts';
import { alphaNames, isAlphaName, isCellAlphaName, readAlphas } from './alphas.ts';
import { type NetworkSizes, usualShape } from './network_sizes.ts';
import { notFinite } from './not_finite.ts';
import type { WeightFile } from './weights.ts';

/** Where architecture parameters are, and what they belong to. */
interface SupernetOptions {
  readonly weights: string;
  readonly space?: string | SearchSpace;
  /** A file of them alone. */
  readonly alphas?: string;
}

/** A supernet with all of its architecture parameters. */
interface CompleteSupernet extends Pick<WeightFile, 'tensors' | 'notices'> {
  /** Absent where nobody gave them, or numbers that are none. */
  readonly genotype?: Genotype;
}

/**
 * Adds the architecture parameters to the weights of a supernet; those that nobody gives are zeros. Throws FileError unless names
 * and shapes are those of the space's supernet.
 */
export async function completeSupernet(
  { weights: path, space, alphas }: SupernetOptions,
  { nodes, ...sizes }: NetworkSizes,
  file: WeightFile,
): Promise<CompleteSupernet> {
  const names = [...file.tensors.keys()];
  const usual = spaces[sizes.skeleton ?? 'darts'];
  const known = space === undefined ? { ...usual, nodes: nodes ?? usual.nodes } : spaceOf(space);
  const sharedAlpha = names.some(isCellAlphaName) ? false : known.sharedAlpha;
  const supernet = buildSupernet({
    ...sizes,
    space: { ...known, sharedAlpha },
    auxiliaryWeight: sizes.auxiliary ? 0 : undefined,
    inputShape: usualShape(sizes),
  });
  const areAlike = supernet.space.skeleton.cells === 'one';
  const given = alphas === undefined ? undefined : await readAlphas(alphas, areAlike);
  const isKnown = given !== undefined || names.some(isAlphaName);
  const tensors = new Map([...file.tensors, ...(given ?? (isKnown ? [] : zeroAlphas(supernet)))]);
  tensorsToArenas(placeParameters(supernet.graph), tensors, alphas === undefined ? path : `${path} with ${alphas}`);
  const mixing = Object.values(supernet.tables).map(({ name, rowLengths }) => {
    const alpha = Float32Array.from(tensors.get(name)!.data);
    return [name, mixingWeights(alpha, rowLengths, supernet.space.activation)] as const;
  });
  const isTold = isKnown && mixing.every(([, rows]) => rows.flat().every(Number.isFinite));
  return {
    tensors,
    notices: [
      ...file.notices,
      ...(given ? notFinite(given, alphas!) : []),
      ...(isKnown ? [] : [absence(path, areAlike)]),
    ],
    ...(isTold && { genotype: genotypeOf(supernet, Object.fromEntries(mixing)) }),
  };
}

function zeroAlphas({ graph }: Supernet): [string, WeightTensor][] {
  const specs = graph.parameters.filter(({ role }) => role === 'alpha');
  return specs.map(({ name, shape }) => [name, { shape, data: new Float32Array(elementsOf(shape)) }]);
}

function absence(path: string, areAlike: boolean): string {
  const tables = areAlike ? 'those of the cell' : alphaNames.join(' and ');
  return `${path} holds no architecture parameters: ${tables} are 0, all candidates alike (--alphas gives a file of them)`;
}
