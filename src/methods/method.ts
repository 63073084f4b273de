// What a method is to everything that runs it: its description, from which command line, files and documents follow, and its run.
import type { Device } from '../backend/device.ts';
import type { ParameterSets } from '../backend/parameter_sets.ts';
import type { Parameters } from '../backend/parameters.ts';
import type { Dataset, ImageSet } from '../data/dataset.ts';
import type { DataKind, RunData } from '../data/run_data.ts';
import type { Corpus } from '../data/text/corpus.ts';
import type { Genotype } from '../genotype/genotype.ts';
import type { Graph, MixingActivation } from '../graph/graph.ts';
import type { UnreadableImage } from '../load/loader.ts';
import type { RowsByTable } from '../select/alpha.ts';
import type { AlphaLayout } from '../select/layout.ts';
import type { SelectionOptions } from '../select/rules.ts';
import type { Presets, Settings, SettingsOf, SettingTable } from '../setting_rules.ts';
import type { SearchSpace } from '../space/space.ts';

/** The commands that a method may belong to. */
export const runCommands = ['search', 'train', 'select'] as const;

/** One of {@link runCommands}. */
export type RunCommand = (typeof runCommands)[number];

/** What a method reports of steps or epochs. */
export interface Measure {
  /** Among the fields of step or epoch events. */
  readonly name: string;
  readonly of: 'step' | 'epoch';
  /** In lines for people. */
  readonly label: string;
  /** Of an epoch: those of one group are told together. Without one a measure is recorded, but in no line. */
  readonly group?: string;
  /** A share is from 0 to 1; a loss that is no longer finite ends the run. */
  readonly unit: 'share' | 'loss' | 'rate' | 'perplexity';
  readonly better?: 'lower' | 'higher';
  /** Told by some runs only. */
  readonly optional?: boolean;
}

/** A method, described once. */
export interface Method<Table extends SettingTable = SettingTable> {
  /** As `--method` and config.json name it. */
  readonly name: string;
  readonly command: RunCommand;
  /** In a few words, such as 'DARTS'. */
  readonly title: string;
  /** Such as 'arXiv:1806.09055'. */
  readonly paper: string;
  /** A sentence: what a run does. */
  readonly description: string;
  /** Arguments of command lines that help shows. */
  readonly examples: readonly string[];
  readonly data: DataKind;
  /** Height and width that image files are brought to where the user names none; 224 when absent. */
  readonly imageSize?: number;
  readonly settings: Table;
  /** The first is the default. */
  readonly presets: Presets<SettingsOf<Table>>;
  /** Names of search spaces, the first of which is the default. */
  readonly spaces?: readonly string[];
  /** What a run starts from beside its data. */
  readonly needs?: 'genotype' | 'run';
  /** Settings of a training with what they leave open, where the genotype was found for networks of a skeleton. */
  inSkeleton?(settings: SettingsOf<Table>, skeleton: string): SettingsOf<Table>;
  /** The training that goes with a preset and settings of a search, where one is asked to follow. */
  usualTraining?(preset: string, settings: SettingsOf<Table>): UsualTraining;
  /** Operations of which a search finds one where its first stage has a candidate, all of them different; the candidate alone when absent. */
  membersOf?(settings: SettingsOf<Table>, candidate: string): readonly string[];
  /** Whether a run may begin with what stages of another run of the method came to. */
  readonly followsRuns?: true;
  /** Reads what the published code left of such stages, in a file, where a run may begin with that too. Throws FileError. */
  readPublished?(path: string): Promise<RunOutcomes>;
  readonly measures: readonly Measure[];
  /** What a run works on; nothing is opened on a device yet. Throws ArgumentError or DataError for what it cannot work on. */
  describe(context: MethodContext<SettingsOf<Table>, RunData>): Promise<MethodDescription>;
}

/** How what a search has found is trained, unless the user says otherwise. */
export interface UsualTraining {
  readonly preset: string;
  /** In place of the preset's. */
  readonly settings?: object;
  /** The search's when absent. */
  readonly seed?: number;
}

/** What a run of a method is made from. */
export interface MethodContext<Values, Data extends RunData = Dataset<ImageSet>> {
  readonly settings: Values;
  readonly seed: number;
  /** As it was loaded. */
  readonly dataset: Data;
  /** Where the method has spaces. */
  readonly space: string | SearchSpace;
  /** Where the method needs one. */
  readonly genotype?: Genotype;
  /** What another run came to, where this one begins with it. */
  readonly before?: RunOutcomes;
  /** The run whose supernet this one goes on with, where the method needs one. */
  readonly source?: SourceRun;
  /** Share of the training images that a training is scored on, in place of test images. */
  readonly validationPortion?: number;
  /** Threads that read and augment images ahead. */
  readonly workers?: number;
  readonly signal?: AbortSignal;
}

/** A search whose supernet another run goes on with. */
export interface SourceRun {
  /** Absolute. */
  readonly directory: string;
  readonly method: Method;
  readonly settings: Settings;
  readonly seed: number;
  readonly space?: string | SearchSpace;
  readonly before?: RunOutcomes;
  /** The file of weights, alpha and what optimisers keep of them. */
  readonly checkpoint: string;
  /** Where that stands: in which stage, how many epochs and steps of it are done. */
  readonly at: Pick<Position, 'stage' | 'epoch' | 'updates'>;
  readonly values: RunState['values'];
}

/** What the stages of a run came to. */
export interface RunOutcomes {
  /** Of the run, or the file of the published code. */
  readonly directory: string;
  /** Name of its search space, where it has one. */
  readonly space?: string;
  /** By name of the stage; of those that have ended. */
  readonly stages: Readonly<Record<string, JsonValue>>;
}

/** What a run works on, before anything lies on a device. */
export interface MethodDescription {
  /** The run's data: those that were loaded, or what the run makes of them. */
  readonly dataset: RunData;
  /** By name: another space, genotype or image shape changes them. The first one's parameters are those that are counted. */
  readonly graphs: Readonly<Record<string, Graph>>;
  /** Name of the search space. */
  readonly space?: string;
  /** Cells of the network. */
  readonly layers: number;
  /** Cells of the network that a genotype of the search is for, where it has one for each of them. */
  readonly genotypeCells?: number;
  /** Whether a genotype of the search has one cell for all. */
  readonly oneCell?: boolean;
  /** What a user should know before it begins, a line each. */
  readonly notices?: readonly string[];
  /** Images, or words of a text, that the weights learn on, and those that they are validated on. */
  readonly trainSamples: number;
  readonly validationSamples: number;
  /** Of a run in stages: the one of a number, as the values of a checkpoint tell; the description is that of the first. */
  stageAt?(index: number, values: RunState['values']): Promise<MethodDescription>;
  /** Of a search with whose supernet no other run goes on: why, in words behind 'a search by NAME'. */
  readonly alone?: string;
  /** Lays parameters and images on a device. */
  open(device: Device): Promise<MethodRun>;
}

/** A run of a method: what it does step by step and epoch by epoch. */
export interface MethodRun extends Disposable {
  readonly state: RunState;
  /** Goes into files of weights, so that they can be used by themselves. */
  readonly metadata?: Readonly<Record<string, string>>;
  /**
   * The stage of a number from 0; undefined where the run is done. Asked when the one before has ended, and on a resume before the state's
   * parameters are loaded, its values being there: a stage may so begin with parameters of its own.
   */
  stage(index: number): Promise<Stage | undefined>;
  step(at: Position): Promise<StepReport>;
  /** Rejects with AbortedError on a signal. */
  endEpoch(at: Position, signal?: AbortSignal): Promise<EpochReport>;
  result(): Promise<MethodResult>;
  /** What a stage came to, for those that follow: asked when it has ended. */
  outcome?(): Promise<JsonValue | undefined>;
  /** What a search begins with: asked before the first step of a stage, for the journal. */
  architecture?(): Promise<InitialArchitecture | undefined>;
  /** Image files that turned out to be unreadable since this was last called. */
  takeUnreadable?(): readonly UnreadableImage[];
}

/** What JSON can say. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/** All that must survive a kill; everything else of a run is a function of it and of the seed. */
export interface RunState {
  /**
   * By name, such as `supernet`. In files the first lies under the published names, each other, such as `average`, under its own.
   */
  readonly parameters: ParameterSets<Parameters>;
  /** Small values, such as sums over the epoch so far. */
  readonly values: Record<string, JsonValue>;
}

/** A part of a run, whose candidates may follow from the one before. */
export interface Stage {
  readonly name: string;
  readonly epochs: number;
  /** Of each epoch; of the first one where `stepsOf` tells. */
  readonly steps: number;
  /** Of an epoch of this number, where epochs differ in it. */
  readonly stepsOf?: (epoch: number) => number;
  /** Of a run with several: cells of its network, and the graph of that. */
  readonly layers?: number;
  readonly graph?: Graph;
  /** What its steps do, where stages take turns: those of one kind take about as long. Its name when absent. */
  readonly kind?: string;
  /** Of a run with several, where that is known: steps that those behind this one will take, by kind. */
  readonly later?: Readonly<Record<string, number>>;
  /** Where what it leaves is kept within the run's directory, as others follow; in the directory itself when absent. */
  readonly folder?: string;
}

/** Steps of an epoch. */
export function stepsOf({ steps, stepsOf: of }: Pick<Stage, 'steps' | 'stepsOf'>, epoch: number): number {
  return of?.(epoch) ?? steps;
}

/** A place in a run: the step that comes next. All count from 0. */
export interface Position {
  readonly stage: number;
  readonly epoch: number;
  readonly step: number;
  /** Steps of the stage so far. */
  readonly updates: number;
}

/** What a step came to. */
export interface StepReport {
  /** Images, or words, that it took. */
  readonly samples: number;
  /** By name, those of steps. */
  readonly measures: Readonly<Record<string, number>>;
  /** Before clipping. */
  readonly gradientNorm: number;
  /** Whether the epoch ends with it. */
  readonly last: boolean;
  /** The epoch that the run goes back to, to take it anew from what the method has restored, and what is told of it. */
  readonly back?: { readonly epoch: number; readonly decision: Decision };
}

/** What a search has found so far. */
export interface ArchitectureReport {
  readonly genotype: Genotype;
  /** Architecture parameters by name of their table, one row an edge; absent where it is not they that decide. */
  readonly alpha?: RowsByTable;
}

/** Architecture parameters before a search's first step, and what each of their numbers is for. */
export interface InitialArchitecture {
  readonly alpha: RowsByTable;
  readonly layout: AlphaLayout;
  /** How they become mixing weights. */
  readonly activation: MixingActivation;
  /** How the search selects its genotypes, where a rule of selection does. */
  readonly selection?: SelectionOptions;
}

/** What an epoch came to. */
export interface EpochReport {
  /** By name, those of epochs. */
  readonly measures: Readonly<Record<string, number>>;
  readonly architecture?: ArchitectureReport;
  /** Texts for the run's directory, by name of the file: what the published code leaves of an epoch. */
  readonly files?: Readonly<Record<string, string>>;
  /** Choices that were made, for the journal. */
  readonly decisions?: readonly Decision[];
}

/** A choice under names of the method's; `told` is for people. */
export type Decision = { readonly [name: string]: JsonValue };

/** What a run came to. */
export interface MethodResult {
  readonly genotype: Genotype;
  /** Where there are several, all of them by name. */
  readonly architectures?: Readonly<Record<string, Genotype>>;
  /** Mixing weights of each table of architecture parameters, one row an edge. */
  readonly mixing?: RowsByTable;
  /** Scores of the last epoch, by the names that the result has. */
  readonly scores: Readonly<Record<string, number>>;
  /** What is kept of a training. */
  readonly weights?: Parameters;
  /** What a user should know of it, a line each. */
  readonly notices?: readonly string[];
}

/** Data of a kind. */
type DataOf<Kind extends DataKind> = Kind extends 'text' ? Corpus : Dataset<ImageSet>;

/** A method as it is written down: it is described for data of its kind alone, which is all that it is given. */
type DefinedMethod<Table extends SettingTable, Kind extends DataKind> = Omit<Method<Table>, 'describe' | 'data'> & {
  readonly data: Kind;
  describe(context: MethodContext<SettingsOf<Table>, DataOf<Kind>>): Promise<MethodDescription>;
};

/** A method, with the types of its settings inferred from its table, and those of its data. */
export function defineMethod<Table extends SettingTable, Kind extends DataKind>(
  method: DefinedMethod<Table, Kind>,
): Method<Table> {
  return method as Method<Table>;
}
