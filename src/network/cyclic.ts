// The search network S and the evaluation network E of CDARTS (Yu et al., arXiv:2006.10724) over one set of parameters.
import { aBoolean, anInteger, check, checkOptions, oneOf } from '../checks.ts';
import { ArgumentError, invalid } from '../errors.ts';
import { type CellType, cellName, cellTypes, type Genotype } from '../genotype/genotype.ts';
import { checkGenotype } from '../genotype/rules.ts';
import { GraphBuilder, type Tensor } from '../graph/builder.ts';
import type { Graph } from '../graph/graph.ts';
import { applyOperation, noneName, skipName } from '../operation/operations.ts';
import { cdartsSkeleton, cdartsStyle, distillationHead, headName } from '../skeleton/cdarts.ts';
import { cellTypesOf, stackCells } from '../skeleton/cell_stack.ts';
import { type CellBuilder, checkStack, type Network, type StackOptions, type StemForm } from '../skeleton/skeleton.ts';
import { type ResolvedEdge, type ResolvedSpace, resolveSpace, type SearchSpace } from '../space/space.ts';
import { buildForSize } from './image_size.ts';
import { declareTables, type NodeForm, nodeForms, type Supernet, supernetCells } from './supernet.ts';

/** Options of {@link buildCyclicNetworks}; the defaults are those of the published search on CIFAR-10. */
export interface CyclicOptions {
  /** With the skeleton `cdarts`, cells of a type alike; `cdarts` when absent. */
  readonly space?: string | SearchSpace;
  /** [height, width, channels] of an image. */
  readonly inputShape: readonly [number, number, number];
  readonly classes: number;
  /** Channels of the first cell's nodes in both networks; 16 when absent. */
  readonly initChannels?: number;
  /** The same of the evaluation network, where it is another; not with shared modules. */
  readonly evaluationChannels?: number;
  /** Cells of the search network, at least 3; 8 when absent. */
  readonly layers?: number;
  /** Cells of the evaluation network, at least 3; 20 when absent. */
  readonly evaluationLayers?: number;
  /** `small` images keep their size in the stem (CIFAR), `large` ones are reduced eightfold (ImageNet); `small` when absent. */
  readonly stem?: StemForm;
  /** The channels of a small stem divided by `initChannels`; 1 when absent, 3 in the authors' code. */
  readonly stemMultiplier?: number;
  /** Whether stem and distillation heads are the very same tensors in both; true when absent. */
  readonly shareModule?: boolean;
  /** Whether the classifier is, too; false when absent. */
  readonly shareClassifier?: boolean;
  /** What a node of S makes of its edges; `sum` when absent, `mean` in the authors' code. */
  readonly nodes?: NodeForm;
  /** Whose ensemble weights are: each network has its own, or both have those of one name; `own` when absent. */
  readonly ensemble?: 'own' | 'shared';
  /** Whether an ensemble is the sum of its outputs, rather than one behind the other; false when absent. */
  readonly ensembleSum?: boolean;
}

/** A network that also computes, of its distillation heads behind both reduction cells, the logits [classes]: their nodes' ids. */
export interface HeadedNetwork extends Network {
  readonly heads: readonly number[];
}

/**
 * Both networks. Parameters are named as in NNI, those of S under `search.`, those of E under `evaluation.`; shared ones have their names in
 * S, and alpha none of the prefixes. Their weights lie in groups, one for each set of tensors that gets its first gradient at one time:
 * `search` and `evaluation` (cells), `stem`, `heads`, `classifier` and `ensemble` (`search.stem`, `evaluation.heads`... where they are not
 * shared; unshared classifiers go with the cells), and of E's candidates one for each {@link candidateGroup}.
 */
export interface CyclicNetworks {
  /** S by itself. Its output is the loss of its classifier, beside which heads run, so that their statistics move, but nothing learns. */
  readonly search: Supernet & HeadedNetwork;
  /** E with every candidate of every edge: what decisions choose from. Nobody runs it. */
  readonly candidates: Graph;
  /** The same together with S and both ensembles: it names and draws tensors. */
  readonly layout: Graph;
  /** E with what a genotype has chosen, as {@link CyclicNetworks.search} is built. Throws ArgumentError for what the space does not have. */
  readonly evaluation: (decision: Genotype) => HeadedNetwork;
  /** Both on the same images, S and E with what a genotype has chosen: the loss that alpha and E follow together. */
  readonly joint: (decision: Genotype, losses: JointLosses) => JointNetwork;
  /** What a genotype has chosen, in its order. Throws ArgumentError for what the space does not have. */
  readonly choices: (decision: Genotype) => ChosenCandidate[];
}

/** A candidate that an edge takes. */
export interface ChosenCandidate {
  readonly type: CellType;
  readonly node: number;
  /** Of its weights. */
  readonly group: string;
  /** Whether it computes nothing: a skip connection of stride 1. */
  readonly isIdentity: boolean;
}

/** How far two ensembles are apart, of the same sample. */
export const distances = ['kl', 'smoothl1', 'cosine', 'l2'] as const;

/** The terms of the loss of both networks (section 3.2 of the paper): (CE(S) + CE(E)) / a + a·T²·D(S, E). */
export interface JointLosses {
  /** a. */
  readonly lossAlpha: number;
  /** T, by which the divergence divides logits. */
  readonly temperature: number;
  readonly distance: (typeof distances)[number];
  /** Whether only S follows D. */
  readonly detachTeacher: boolean;
  /** Whether D is a mean over rows of logits, rather than over their elements. */
  readonly rowMeans: boolean;
}

/** Both networks in one graph, whose output is their loss. */
export interface JointNetwork {
  readonly graph: Graph;
  /** What the terms of the output's sum are multiplied with: cross-entropies of S and of E, then the parts of D. */
  readonly weights: readonly number[];
}

/** The group of the weights of E's candidate on an edge, in all cells of a type: they run or rest together. */
export function candidateGroup(type: CellType, row: number, candidate: number): string {
  return `evaluation.${type}.${row}.${candidate}`;
}

const optionNames = [
  ...['space', 'inputShape', 'classes', 'initChannels', 'evaluationChannels', 'layers', 'evaluationLayers'],
  ...['stem', 'stemMultiplier', 'shareModule', 'shareClassifier', 'nodes', 'ensemble', 'ensembleSum'],
];

/** Below 3 a network has no two reductions, or no normal cell. */
const depths = anInteger(3, 1000);

/** Builds both. Throws ArgumentError for a faulty option, and where shared modules would differ in width. */
export function buildCyclicNetworks(options: CyclicOptions): CyclicNetworks {
  checkOptions('options', options, optionNames);
  const { initChannels = 16, evaluationChannels = initChannels, shareModule = true } = options;
  const { layers = 8, evaluationLayers = 20, inputShape, classes, stem, stemMultiplier } = options;
  check('layers', layers, depths);
  check('evaluationLayers', evaluationLayers, depths);
  const { shareClassifier = false, nodes = 'sum', ensemble = 'own', ensembleSum = false } = options;
  for (const [name, value] of Object.entries({ shareModule, shareClassifier, ensembleSum }))
    check(name, value, aBoolean);
  check('nodes', nodes, oneOf(nodeForms));
  check('ensemble', ensemble, oneOf(['own', 'shared']));
  if ((shareModule || shareClassifier) && evaluationChannels !== initChannels) {
    throw invalid('evaluationChannels', `${initChannels}, as both networks share modules,`, evaluationChannels);
  }
  const space = spaceOfPair(options.space ?? 'cdarts');
  const common = { classes, stem, stemMultiplier, affine: false };
  return buildForSize(inputShape, (shape) => {
    const shared = {
      stem: shareModule,
      heads: shareModule,
      classifier: shareClassifier,
      ensemble: ensemble === 'shared',
    };
    const pair = new PairOfNetworks(
      space,
      { shared, nodes, ensembleSum },
      {
        search: { ...common, inputShape: shape, initChannels, layers },
        evaluation: { ...common, inputShape: shape, initChannels: evaluationChannels, layers: evaluationLayers },
      },
    );
    return {
      search: pair.search(),
      candidates: pair.evaluation(kept).graph,
      layout: pair.joint(kept, layoutLosses).graph,
      joint: (decision, losses) => pair.joint(chosenBy(space, decision), losses),
      evaluation: (decision) => pair.evaluation(chosenBy(space, decision)),
      choices: (decision) => choicesOf(space, decision),
    };
  });
}

/** Any do: nobody runs what only names tensors. */
const layoutLosses: JointLosses = {
  ...{ lossAlpha: 1, temperature: 1, distance: 'kl', detachTeacher: false, rowMeans: false },
};

function spaceOfPair(given: string | SearchSpace): ResolvedSpace {
  const space = resolveSpace(given);
  if (space.skeleton === cdartsSkeleton && space.sharedAlpha) return space;
  throw invalid('space', 'one of the skeleton cdarts whose cells of a type share alpha', space.name);
}

/** Which candidates of an edge run, by index. */
type Choice = (type: CellType, edge: ResolvedEdge) => readonly number[];

/** All but none. */
const kept: Choice = (_type, { candidates }) =>
  candidates.flatMap(({ name }, index) => (name === noneName ? [] : [index]));

function chosenBy(space: ResolvedSpace, decision: Genotype): Choice {
  const chosen = new Map(choicesOf(space, decision).map(({ type, row, candidate }) => [`${type}.${row}`, candidate]));
  return (type, { row }) => {
    const candidate = chosen.get(`${type}.${row}`);
    return candidate === undefined ? [] : [candidate];
  };
}

function choicesOf(space: ResolvedSpace, decision: Genotype) {
  checkGenotype(decision);
  if (decision.normal === undefined || decision.entries === 'triples') {
    throw new ArgumentError('expected a decision of pairs, a normal and a reduction cell, but got another genotype');
  }
  const choices: (ChosenCandidate & { readonly row: number; readonly candidate: number })[] = [];
  for (const type of cellTypes) {
    const { nodes } = decision[type];
    if (nodes.length !== space.nodes) throw invalid(`nodes of the ${cellName(type)}`, `${space.nodes}`, nodes.length);
    for (const [node, entries] of nodes.entries()) {
      for (const { operation, input } of entries) {
        const edge = space.edges[type].find((one) => one.node === node && one.input === input)!;
        const candidate = edge.candidates.findIndex(({ name }) => name === operation && name !== noneName);
        const { row } = edge;
        if (candidate < 0 || choices.some((other) => other.type === type && other.row === row)) {
          const names = edge.candidates.map(({ name }) => name).filter((name) => name !== noneName);
          throw invalid(`the edge ${type}.${node}.${input}`, `one of ${names.join(', ')}, once,`, operation);
        }
        const isIdentity = operation === skipName && space.skeleton.strideOf(type, input) === 1;
        choices.push({ type, node, row, candidate, group: candidateGroup(type, row, candidate), isIdentity });
      }
    }
  }
  return choices;
}

type Side = 'search' | 'evaluation';

/** Where a part of a network has its tensors. */
interface SharedPart {
  readonly builder: GraphBuilder;
  /** The network whose part it is: S where it is shared. */
  readonly owner: Side;
}

/** What a network gives: the logits of its classifier and of its heads. */
interface Ends {
  readonly logits: Tensor;
  readonly heads: readonly Tensor[];
}

/** Parts that both networks may have the same tensors in. */
type Part = 'stem' | 'heads' | 'classifier' | 'ensemble';

/** What a pair has of its own. */
interface PairForm {
  readonly shared: Readonly<Record<Part, boolean>>;
  readonly nodes: NodeForm;
  readonly ensembleSum: boolean;
}

class PairOfNetworks {
  readonly #space: ResolvedSpace;
  readonly #form: PairForm;
  readonly #options: Readonly<Record<Side, StackOptions>>;

  constructor(space: ResolvedSpace, form: PairForm, options: Readonly<Record<Side, StackOptions>>) {
    for (const side of Object.values(options)) checkStack(side);
    this.#space = space;
    this.#form = form;
    this.#options = options;
  }

  search(): CyclicNetworks['search'] {
    const builder = new GraphBuilder();
    const tables = declareTables(builder, this.#space);
    const network = this.#alone(builder, 'search', supernetCells(this.#space, tables, this.#form.nodes));
    return { ...network, space: this.#space, tables };
  }

  evaluation(choice: Choice): HeadedNetwork {
    return this.#alone(new GraphBuilder(), 'evaluation', this.#candidateCells(choice));
  }

  /** Heads run beside the loss at a weight of 0, and nothing flows back from them: as published, their statistics move in every pass. */
  #alone(builder: GraphBuilder, side: Side, cells: CellBuilder): HeadedNetwork {
    const images = builder.input('images', this.#options[side].inputShape);
    const { logits, heads } = this.#stack(builder, images, side, cells, (output) => builder.detach(output));
    const auxiliary = heads.map((head) => ({ logits: head, weight: 0 }));
    const graph = builder.finish(builder.softmaxCrossEntropy(logits, { auxiliary }));
    return { graph, logits: logits.id, heads: heads.map(({ id }) => id) };
  }

  joint(choice: Choice, losses: JointLosses): JointNetwork {
    const builder = new GraphBuilder();
    const tables = declareTables(builder, this.#space);
    const images = builder.input('images', this.#options.search.inputShape);
    const given = (output: Tensor) => output;
    const cells = supernetCells(this.#space, tables, this.#form.nodes);
    const student = this.#stack(builder, images, 'search', cells, given);
    const teacher = this.#stack(builder.reusing(), images, 'evaluation', this.#candidateCells(choice), given);
    const taught = this.#ensemble(builder, 'search', student);
    const teaching = this.#ensemble(builder, 'evaluation', teacher);
    const entropies = [student, teacher].map(({ logits }) => builder.softmaxCrossEntropy(logits));
    const parts = taught.map((logits, index) => distance(builder, logits, teaching[index], losses));
    const weights = [...entropies.map(() => 1 / losses.lossAlpha), ...parts.map(() => partWeight(taught, losses))];
    const terms = [...entropies, ...parts].map((loss, index) => ({ loss, weight: weights[index] }));
    return { graph: builder.finish(builder.lossSum(terms)), weights };
  }

  #stack(
    builder: GraphBuilder,
    images: Tensor,
    side: Side,
    cells: CellBuilder,
    towardsHead: (output: Tensor) => Tensor,
  ): Ends {
    const options = this.#options[side];
    const stem = this.#shared(builder, side, 'stem').builder;
    const headPart = this.#shared(builder, side, 'heads');
    const names = reductions(this.#options[headPart.owner].layers).map(headName);
    const heads: Tensor[] = [];
    const own = builder.within(side).inGroup(side);
    const classifier = this.#form.shared.classifier ? this.#shared(builder, side, 'classifier').builder : own;
    const { logits } = stackCells(own, images, options, cells, cdartsStyle, {
      stem,
      classifier,
      behind: (output, { kind }) => {
        if (kind !== 'reduce') return;
        const head = headPart.builder.within(names[heads.length]);
        heads.push(distillationHead(head, towardsHead(output), options.classes));
      },
    });
    return { logits, heads };
  }

  #shared(builder: GraphBuilder, side: Side, part: Part): SharedPart {
    const isShared = this.#form.shared[part];
    const owner = isShared ? 'search' : side;
    return { builder: builder.within(owner).inGroup(isShared ? part : `${side}.${part}`), owner };
  }

  /** The outputs of a network, each times its share in the ensemble: what the published code concatenates over the batch, or their sum. */
  #ensemble(builder: GraphBuilder, side: Side, { heads, logits }: Ends): Tensor[] {
    const outputs = [...heads, logits];
    const { builder: own } = this.#shared(builder.reusing(), side, 'ensemble');
    const initialiser = { kind: 'uniform', least: 0, bound: 1 / 3 } as const;
    const weighed = outputs.map((output, index) =>
      own.softmaxScale('ensemble_param', output, { count: outputs.length, index, initialiser }),
    );
    return this.#form.ensembleSum ? [builder.add(weighed)] : weighed;
  }

  #candidateCells(choice: Choice): CellBuilder {
    const { skeleton, nodes, edges } = this.#space;
    return (cell, inputs, { kind, layer, channels }) => {
      const type = kind as CellType;
      const states: Tensor[] = [...inputs];
      const outputsOf = (edge: ResolvedEdge) =>
        choice(type, edge).map((candidate) => {
          const name = skeleton.candidateName(edge, candidate);
          const builder = cell.inGroup(candidateGroup(type, edge.row, candidate)).within(name);
          const stride = skeleton.strideOf(kind, edge.input);
          const context = { layer: `${layer}.${name}`, channels, stride, affine: false, normalisePooling: false };
          return applyOperation(edge.candidates[candidate], builder, states[edge.input], context);
        });
      for (let node = 0; node < nodes; node++) {
        states.push(cell.add(edges[type].filter((edge) => edge.node === node).flatMap(outputsOf)));
      }
      return cell.concat(states.slice(2));
    };
  }
}

function distance(
  builder: GraphBuilder,
  student: Tensor,
  output: Tensor,
  { distance: kind, temperature, detachTeacher }: JointLosses,
): Tensor {
  const teacher = detachTeacher ? builder.detach(output) : output;
  if (kind === 'kl') return builder.distillation(student, teacher, { temperature });
  if (kind === 'cosine') return builder.cosineDistance(student, teacher);
  return kind === 'l2' ? builder.meanSquaredError(student, teacher) : builder.smoothL1(student, teacher);
}

/** D is a mean over all rows, of which each output has as many; the device's divergence is a sum over a row, other distances are means. */
function partWeight(
  outputs: readonly Tensor[],
  { lossAlpha, temperature, distance: kind, rowMeans }: JointLosses,
): number {
  const [classes] = outputs[0].shape;
  const ofRow = { kl: classes, cosine: 1, l2: 1, smoothl1: 1 }[kind];
  return (lossAlpha * temperature ** 2 * (rowMeans ? classes : 1)) / ofRow / outputs.length;
}

/** Indices of the cells that reduce. */
function reductions(layers: number): number[] {
  return cellTypesOf(layers).flatMap((type, index) => (type === 'reduce' ? [index] : []));
}
