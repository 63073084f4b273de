// What the weights of a network of NAS-Bench-201 (arXiv:2001.00326) tell of it.
import { FileError } from '../errors.ts';
import { isSupernet } from './stored_networks.ts';

const blockWeight = /^cells\.(\d{1,9})\.downsample\.1\.weight$/;
const edgeName = /^cells\.\d+\.edges\.(\d{1,9})<-/;
const mostCells = 85;

/** The shape of a tensor of so many axes, which has to be there. */
type ShapeOf = (name: string, axes: number) => readonly number[];

/** Whether names are those of such a network: its cells may be without weights, the blocks between its stages are not. */
export function hasResidualBlocks(names: readonly string[]): boolean {
  return names.some((name) => blockWeight.test(name));
}

/** Reads its sizes. Throws FileError, naming `source`, where the blocks do not part it in three. */
export function sizesOfResidual(names: readonly string[], shapeOf: ShapeOf, source: string) {
  const [initChannels, imageChannels] = shapeOf('stem.0.weight', 4);
  const [classes] = shapeOf('classifier.weight', 2);
  const blocks = names.flatMap((name) => blockWeight.exec(name)?.[1] ?? []).map(Number);
  const cells = Math.min(...blocks);
  if (blocks.length !== 2 || Math.max(...blocks) !== 2 * cells + 1 || cells < 1 || cells > mostCells) {
    throw new FileError(
      `${source} holds no network: expected two residual blocks between three stages of 1 to ${mostCells} cells each`,
    );
  }
  const supernet = isSupernet(names);
  const nodes = names.reduce((most, name) => Math.max(most, Number(edgeName.exec(name)?.[1] ?? 0)), 0);
  return {
    ...({ skeleton: 'nasbench201', stem: 'small', auxiliary: false, stemMultiplier: 1 } as const),
    ...{ initChannels, layers: 3 * cells, classes, imageChannels, supernet },
    ...(supernet && nodes > 0 && { nodes }),
  };
}
