// The search network S and the evaluation network E of CDARTS (Yu et al., arXiv:2006.10724) over one set of parameters.
import { isDeepStrictEqual } from 'node:util';
import { aBoolean, anInteger, check, checkOptions, oneOf } from '../checks.ts';
import { ArgumentError, invalid } from '../errors.ts';
import { cellKey, cellName, cellTypes, type Genotype, type GenotypeCell, oneCell } from '../genotype/genotype.ts';
import { checkGenotype } from '../genotype/rules.ts';
import { GraphBuilder, type Tensor } from '../graph/builder.ts';
import type { Graph } from '../graph/graph.ts';
import { mapValues } from '../map_values.ts';
import { applyOperation, noneName, skipName } from '../operation/operations.ts';
import { distillationHead, headName } from '../skeleton/cdarts.ts';
import {
  type CellBuilder,
  checkStack,
  type Network,
  type PairedStack,
  type StackOptions,
  type StemForm,
} from '../skeleton/skeleton.ts';
import { type ResolvedEdge, type ResolvedSpace, resolveSpace, type SearchSpace } from '../space/space.ts';
import { byKind, byStage, type CellSet, kindOf, type SetOf } from './cell_sets.ts';
import { buildForSize } from './image_size.ts';
import {
  type AlphaTable,
  declareTable,
  type NodeForm,
  nodeForms,
  outputOf,
  type Supernet,
  supernetCells,
} from './supernet.ts';

/** Options of {@link buildCyclicNetworks}; the defaults are those of the published search on CIFAR-10. */
export interface CyclicOptions {
  /** With a skeleton whose networks learn in pairs, `cdarts` or `nasbench201`, and cells of a kind alike; `cdarts` when absent. */
  readonly space?: string | SearchSpace;
  /** [height, width, channels] of an image. */
  readonly inputShape: readonly [number, number, number];
  readonly classes: number;
  /** Channels of the first cell's nodes in both networks; 16 when absent. */
  readonly initChannels?: number;
  /** The same of the evaluation network, where it is another; not with shared modules. */
  readonly evaluationChannels?: number;
  /** Cells of the search network, at least 3; as published when absent: 8, or 15 of NAS-Bench-201. */
  readonly layers?: number;
  /** Cells of the evaluation network, at least 3; 20 when absent, or 15. */
  readonly evaluationLayers?: number;
  /** `small` images keep their size in the stem (CIFAR), `large` ones are reduced eightfold (ImageNet); `small` when absent. */
  readonly stem?: StemForm;
  /** The channels of a small stem divided by `initChannels`; 1 when absent, 3 in the authors' code. */
  readonly stemMultiplier?: number;
  /** Whether stem and distillation heads are the very same tensors in both; true when absent. */
  readonly shareModule?: boolean;
  /** Whether the classifier is, too; false when absent. */
  readonly shareClassifier?: boolean;
  /** What a node of S makes of its edges; `sum` when absent, `mean` in the authors' code, `learnt` with their `use_beta`. */
  readonly nodes?: NodeForm;
  /** Whether cells of a kind share alpha in all three stages; else each stage has its own, and decisions a cell for each of E's. True when absent. */
  readonly repeatCell?: boolean;
  /** Whose ensemble weights are: each network has its own, or both have those of one name; `own` when absent. */
  readonly ensemble?: 'own' | 'shared';
  /** Whether an ensemble is the sum of its outputs, rather than one behind the other; false when absent. */
  readonly ensembleSum?: boolean;
}

/** A network that also computes, of its distillation heads behind both reductions, the logits [classes]: their nodes' ids. */
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
  readonly cells: CellSet;
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

/** The group of the weights of E's candidate on an edge, in all cells of a set: they run or rest together. */
export function candidateGroup(cells: CellSet, row: number, candidate: number): string {
  return `evaluation.${cells}.${row}.${candidate}`;
}

const optionNames = [
  ...['space', 'inputShape', 'classes', 'initChannels', 'evaluationChannels', 'layers', 'evaluationLayers'],
  ...['stem', 'stemMultiplier', 'shareModule', 'shareClassifier', 'nodes', 'repeatCell', 'ensemble', 'ensembleSum'],
];

/** Below 3 a network has no two reductions, or no normal cell. */
const depths = anInteger(3, 1000);

/** Builds both. Throws ArgumentError for a faulty option, and where shared modules would differ in width. */
export function buildCyclicNetworks(options: CyclicOptions): CyclicNetworks {
  checkOptions('options', options, optionNames);
  const { initChannels = 16, evaluationChannels = initChannels, shareModule = true } = options;
  const parts = partsOfPair(options.space ?? 'cdarts');
  const { space } = parts;
  const { supernet, derived } = space.skeleton.usual;
  const { layers = supernet.layers, evaluationLayers = derived.layers } = options;
  const { inputShape, classes, stem, stemMultiplier } = options;
  check('layers', layers, depths);
  check('evaluationLayers', evaluationLayers, depths);
  const { shareClassifier = false, nodes = 'sum', repeatCell = true, ensemble = 'own', ensembleSum = false } = options;
  for (const [name, value] of Object.entries({ shareModule, shareClassifier, repeatCell, ensembleSum }))
    check(name, value, aBoolean);
  check('nodes', nodes, oneOf(nodeForms));
  check('ensemble', ensemble, oneOf(['own', 'shared']));
  if ((shareModule || shareClassifier) && evaluationChannels !== initChannels) {
    throw invalid('evaluationChannels', `${initChannels}, as both networks share modules,`, evaluationChannels);
  }
  const { affineNorms } = space.skeleton;
  const sets = setsOfPair(parts, { search: layers, evaluation: evaluationLayers }, repeatCell);
  const common = { classes, stem, stemMultiplier };
  return buildForSize(inputShape, (shape) => {
    const shared = {
      stem: shareModule,
      heads: shareModule,
      classifier: shareClassifier,
      ensemble: ensemble === 'shared',
    };
    const pair = new PairOfNetworks(
      { ...parts, sets },
      { shared, nodes, ensembleSum },
      {
        search: { ...common, inputShape: shape, affine: false, initChannels, layers },
        evaluation: {
          ...{ ...common, inputShape: shape, affine: affineNorms },
          ...{ initChannels: evaluationChannels, layers: evaluationLayers },
        },
      },
    );
    return {
      search: pair.search(),
      candidates: pair.evaluation(kept).graph,
      layout: pair.joint(kept, layoutLosses).graph,
      joint: (decision, losses) => pair.joint(chosenBy(space, sets, decision), losses),
      evaluation: (decision) => pair.evaluation(chosenBy(space, sets, decision)),
      choices: (decision) => choicesOf(space, sets, decision),
    };
  });
}

/** Any do: nobody runs what only names tensors. */
const layoutLosses: JointLosses = {
  ...{ lossAlpha: 1, temperature: 1, distance: 'kl', detachTeacher: false, rowMeans: false },
};

function partsOfPair(given: string | SearchSpace): Pick<PairParts, 'space' | 'paired'> {
  const space = resolveSpace(given);
  const { paired } = space.skeleton;
  if (paired !== undefined && space.sharedAlpha) return { space, paired };
  throw invalid('space', 'one of the skeletons cdarts and nasbench201, whose cells of a type share alpha,', space.name);
}

/** Throws ArgumentError where S lacks cells that E has, whose alpha nothing would teach. */
function setsOfPair(
  { space: { skeleton }, paired }: Pick<PairParts, 'space' | 'paired'>,
  layers: Readonly<Record<Side, number>>,
  repeatCell: boolean,
): CellSets {
  if (repeatCell) return { of: { search: byKind, evaluation: byKind } };
  if (skeleton.cells === 'one')
    throw invalid('repeatCell', `true, as all cells of a ${skeleton.name} network are alike,`, false);
  const of = mapValues(layers, (count) => byStage(paired.reductionsOf(count))) as CellSets['of'];
  const cellsOf = (side: Side) =>
    skeleton.kindsOf(layers[side]).map((kind, index) => ({ kind, layer: cellKey(index) }));
  const searched = new Set(cellsOf('search').map(of.search));
  const evaluated = cellsOf('evaluation').map(of.evaluation);
  const missing = evaluated.find((set) => !searched.has(set));
  if (missing === undefined) return { of, evaluated };
  const wanted = `enough for a cell of every kind and stage that the evaluation network has (${missing}), without repeatCell,`;
  throw invalid('layers', wanted, layers.search);
}

/** Which candidates of an edge run, by index. */
type Choice = (cells: CellSet, edge: ResolvedEdge) => readonly number[];

/** All but none. */
const kept: Choice = (_cells, { candidates }) =>
  candidates.flatMap(({ name }, index) => (name === noneName ? [] : [index]));

function chosenBy(space: ResolvedSpace, sets: CellSets, decision: Genotype): Choice {
  const choices = choicesOf(space, sets, decision);
  const chosen = new Map(choices.map(({ cells, row, candidate }) => [`${cells}.${row}`, candidate]));
  return (cells, { row }) => {
    const candidate = chosen.get(`${cells}.${row}`);
    return candidate === undefined ? [] : [candidate];
  };
}

function choicesOf(space: ResolvedSpace, sets: CellSets, decision: Genotype) {
  const choices: (ChosenCandidate & { readonly row: number; readonly candidate: number })[] = [];
  for (const [cells, { nodes }] of decidedCells(space, sets, decision)) {
    const type = kindOf(cells);
    if (nodes.length !== space.nodes) throw invalid(`nodes of the ${cellName(type)}`, `${space.nodes}`, nodes.length);
    for (const [node, entries] of nodes.entries()) {
      for (const { operation, input } of entries) {
        const edge = space.edges[type].find((one) => one.node === node && one.input === input)!;
        const names = edge.candidates.map(({ name }) => name);
        // Of cells by type an edge is left out instead.
        const allowed = type === oneCell ? names : names.filter((name) => name !== noneName);
        const candidate = allowed.includes(operation) ? names.indexOf(operation) : -1;
        const { row } = edge;
        if (candidate < 0 || choices.some((other) => other.cells === cells && other.row === row)) {
          throw invalid(`the edge ${cells}.${node}.${input}`, `one of ${allowed.join(', ')}, once,`, operation);
        }
        const isIdentity = operation === skipName && space.skeleton.strideOf(type, input) === 1;
        choices.push({ cells, node, row, candidate, group: candidateGroup(cells, row, candidate), isIdentity });
      }
    }
  }
  return choices;
}

/** Its cells by their set. Throws ArgumentError for those of other networks. */
function decidedCells(
  { skeleton }: ResolvedSpace,
  { evaluated }: CellSets,
  decision: Genotype,
): readonly (readonly [CellSet, GenotypeCell])[] {
  checkGenotype(decision);
  if (evaluated !== undefined) return decidedByStage(evaluated, decision);
  if (skeleton.cells === 'one') {
    if (decision.cell !== undefined) return [[oneCell, decision.cell] as const];
    throw new ArgumentError('expected a decision of one cell but got another genotype');
  }
  if (decision.normal !== undefined && decision.entries !== 'triples') {
    return cellTypes.map((type) => [type, decision[type]] as const);
  }
  throw new ArgumentError('expected a decision of pairs, a normal and a reduction cell, but got another genotype');
}

function decidedByStage(evaluated: readonly CellSet[], { cells, entries }: Genotype) {
  if (cells?.length !== evaluated.length || entries === 'triples') {
    throw new ArgumentError(
      `expected a decision of pairs, of each of ${evaluated.length} cells, but got another genotype`,
    );
  }
  const decided = new Map<CellSet, GenotypeCell>();
  for (const [index, set] of evaluated.entries()) {
    const first = decided.get(set) ?? cells[index];
    if (!isDeepStrictEqual(first, cells[index])) {
      throw new ArgumentError(
        `expected a decision whose cells of a kind and stage are alike, but ${cellKey(index)} is not`,
      );
    }
    decided.set(set, first);
  }
  return [...decided];
}

type Side = 'search' | 'evaluation';

/** How cells of both networks share alpha. */
interface CellSets {
  readonly of: Readonly<Record<Side, SetOf>>;
  /** The set of each cell of E, where a decision has one for each. */
  readonly evaluated?: readonly CellSet[];
}

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

/** Below which the ensemble weights that both networks share begin: the authors' 0.333 to all its digits. */
const authorsBound = 0.333;

/** What a pair has of its own. */
interface PairForm {
  readonly shared: Readonly<Record<Part, boolean>>;
  readonly nodes: NodeForm;
  readonly ensembleSum: boolean;
}

/** What the networks of a pair are made of. */
interface PairParts {
  readonly space: ResolvedSpace;
  readonly paired: PairedStack;
  readonly sets: CellSets;
}

class PairOfNetworks {
  readonly #parts: PairParts;
  readonly #form: PairForm;
  readonly #options: Readonly<Record<Side, StackOptions>>;

  constructor(parts: PairParts, form: PairForm, options: Readonly<Record<Side, StackOptions>>) {
    for (const side of Object.values(options)) checkStack(side);
    this.#parts = parts;
    this.#form = form;
    this.#options = options;
  }

  search(): CyclicNetworks['search'] {
    const builder = new GraphBuilder();
    const declared = this.#tables(builder);
    const network = this.#alone(builder, 'search', this.#searchCells(declared));
    const { space, sets } = this.#parts;
    const { evaluated } = sets;
    const byCell = evaluated?.map((set, index) => [cellKey(index), declared[set]] as const);
    return {
      ...network,
      space,
      tables: byCell === undefined ? declared : Object.fromEntries(byCell),
      nodeForm: this.#form.nodes,
    };
  }

  /** By set of cells. */
  #tables(builder: GraphBuilder): Readonly<Record<CellSet, AlphaTable>> {
    const { space, sets } = this.#parts;
    const all = [...new Set(sets.evaluated ?? Object.keys(space.edges))];
    const declare = (set: CellSet) =>
      declareTable(builder, space, kindOf(set), (what) => `${what}_${set}`, this.#form.nodes);
    return Object.fromEntries(all.map((set) => [set, declare(set)]));
  }

  #searchCells(tables: Readonly<Record<CellSet, AlphaTable>>): CellBuilder {
    const { space, sets } = this.#parts;
    return supernetCells(space, (place) => tables[sets.of.search(place)], this.#form.nodes);
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
    const tables = this.#tables(builder);
    const images = builder.input('images', this.#options.search.inputShape);
    const given = (output: Tensor) => output;
    const student = this.#stack(builder, images, 'search', this.#searchCells(tables), given);
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
    const names = this.#parts.paired.reductionsOf(this.#options[headPart.owner].layers).map(headName);
    const heads: Tensor[] = [];
    const own = builder.within(side).inGroup(side);
    const classifier = this.#form.shared.classifier ? this.#shared(builder, side, 'classifier').builder : own;
    const { logits } = this.#parts.paired.stack(own, images, options, cells, {
      stem,
      classifier,
      behindReduction: (output) => {
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
    const initialiser = {
      kind: 'uniform',
      least: 0,
      bound: this.#form.shared.ensemble ? authorsBound : 1 / 3,
    } as const;
    const weighed = outputs.map((output, index) =>
      own.softmaxScale('ensemble_param', output, { count: outputs.length, index, initialiser }),
    );
    return this.#form.ensembleSum ? [builder.add(weighed)] : weighed;
  }

  #candidateCells(choice: Choice): CellBuilder {
    const { space, sets } = this.#parts;
    const { skeleton, nodes, edges } = space;
    const { affine } = this.#options.evaluation;
    return (cell, inputs, { kind, layer, channels }) => {
      const set = sets.of.evaluation({ kind, layer });
      const states: Tensor[] = [...inputs];
      const outputsOf = (edge: ResolvedEdge) =>
        choice(set, edge).map((candidate) => {
          const name = skeleton.candidateName(edge, candidate);
          const builder = cell.inGroup(candidateGroup(set, edge.row, candidate)).within(name);
          const stride = skeleton.strideOf(kind, edge.input);
          const context = { layer: `${layer}.${name}`, channels, stride, affine, normalisePooling: false };
          return applyOperation(edge.candidates[candidate], builder, states[edge.input], context);
        });
      for (let node = 0; node < nodes; node++) {
        states.push(cell.add(edges[kind].filter((edge) => edge.node === node).flatMap(outputsOf)));
      }
      return outputOf(cell, states, inputs.length, { skeleton });
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
