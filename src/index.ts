// The public API: everything that a program may import from 'dartsmith', and nothing else.

export { type AugmentSettings, autoAugmentChoices } from './augment/augment.ts';
export {
  type AdamCommand,
  type Augmentation,
  type AverageCommand,
  type BackendName,
  type Batch,
  type ClipCommand,
  type Command,
  type CompileOptions,
  type CopyCommand,
  type Device,
  type DeviceDataset,
  type DirectBatch,
  type DropoutDraw,
  type EvaluateCommand,
  type ExecuteOptions,
  type GatheredBatch,
  type GradientsCommand,
  type GradientTarget,
  type HypergradientCommand,
  type KernelProfile,
  type Mixing,
  type MomentumPlace,
  type Moved,
  momentumPlaces,
  type Outcome,
  type ParametersOptions,
  type PassStatistics,
  type Peak,
  type Penalty,
  type PenaltyCommand,
  type Precision,
  type Program,
  type ProgramMemory,
  penalties,
  precisions,
  type SgdCommand,
  type VjpCommand,
} from './backend/device.ts';
export { type BackendReport, describeBackends, openDevice } from './backend/open.ts';
export type { ParameterMap, ParameterPlace, WeightRange } from './backend/parameter_map.ts';
export type { LoadedFile } from './backend/parameter_sets.ts';
export type { NamedTensor, Parameters, SaveOptions } from './backend/parameters.ts';
export {
  type BenchmarkColumn,
  type BenchmarkSet,
  type BenchmarkSplit,
  benchmarkColumns,
} from './benchmark/columns.ts';
export { type ConvertedTable, type ConvertOptions, convertNatsBench } from './benchmark/convert.ts';
export { equalityString, isConnected } from './benchmark/isomorphism.ts';
export {
  type BenchmarkAccuracy,
  type BenchmarkCell,
  type NasBench201,
  type NasBenchOptions,
  openNasBench201,
  type TopCell,
} from './benchmark/nas_bench.ts';
export {
  formatStructure,
  parseStructure,
  type Structure,
  type StructureOperation,
  structureEdges,
  structureOperations,
} from './benchmark/structure.ts';
export { structureAt, structureIndex } from './benchmark/structure_index.ts';
export { type CorrelateOptions, correlateAlpha } from './correlate.ts';
export { type Dashboard, type DashboardOptions, openDashboard } from './dashboard/dashboard.ts';
export type { ColourProfile, Dataset, ImageArrays, ImageFiles, ImageSet } from './data/dataset.ts';
export {
  type DatasetName,
  datasetNames,
  type FileDatasetName,
  type LoadOptions,
  loadDataset,
  type MemoryDatasetName,
} from './data/load.ts';
export { columnsOf, type TextBatch, type TextColumns, textBatch } from './data/text/columns.ts';
export { type Corpus, type CorpusName, type CorpusOptions, corpusNames, loadCorpus } from './data/text/corpus.ts';
export { readVocabulary, type Vocabulary, vocabularyOf, writeVocabulary } from './data/text/vocabulary.ts';
export {
  AbortedError,
  ArgumentError,
  BackendError,
  DartsmithError,
  DataError,
  DivergedError,
  type ErrorCode,
  FileError,
} from './errors.ts';
export {
  type ExportedNetwork,
  type ExportFormat,
  type ExportOptions,
  exportFormats,
  exportNetwork,
} from './exchange/export.ts';
export {
  type ExportedLanguageModel,
  exportLanguageModel,
  type LanguageExportOptions,
} from './exchange/export_language_model.ts';
export { type PublishedHistoryOptions, writePublishedHistory } from './exchange/published_history.ts';
export { type ReadWeightsOptions, readWeights, type WeightFile } from './exchange/weights.ts';
export { withoutDeadNodes } from './genotype/dead_nodes.ts';
export type { CellEdge } from './genotype/edges.ts';
export type {
  CellKey,
  CellKind,
  CellType,
  Genotype,
  GenotypeByCell,
  GenotypeByType,
  GenotypeCell,
  GenotypeEdge,
  GenotypeOfOneCell,
  RecurrentGenotype,
} from './genotype/genotype.ts';
export { recurrentGenotypes } from './genotype/published/recurrent.ts';
export { genotypes } from './genotype/published.ts';
export { type Activation, activations, randomRecurrentCell, recurrentCandidates } from './genotype/recurrent.ts';
export { formatGenotype, type GenotypeForm, type ParseOptions, parseGenotype } from './genotype/text.ts';
export {
  type BranchBuilder,
  type Conv2dOptions,
  type CrossEntropyOptions,
  GraphBuilder,
  type PoolOptions,
  type SoftmaxScaleOptions,
  type Tensor,
} from './graph/builder.ts';
export type {
  Graph,
  Initialiser,
  MixedBranch,
  MixedNode,
  MixingActivation,
  Node,
  NoiseDistribution,
  Pair,
  ParameterLayout,
  ParameterRole,
  ParameterSpec,
  Shape,
} from './graph/graph.ts';
export { type LanguageModelSession, openLanguageModel, type SampleOptions } from './language_model.ts';
export type { Score } from './learn/score.ts';
export { cutChoices, regularLoss } from './methods/cdarts/cut_choices.ts';
export { type CutStep, stepUncut } from './methods/cdarts/cut_step.ts';
export type { RegularChoice } from './methods/cdarts/regularised.ts';
export {
  type CdartsPresetName,
  type CdartsSettings,
  cdartsPresets,
  cdartsSettingRules,
  resolveCdartsSettings,
} from './methods/cdarts/settings.ts';
export {
  type PresetName,
  presets,
  resolveSettings,
  type SearchSettings,
  settingRules,
} from './methods/darts/settings.ts';
export {
  type RecurrentSearchSettings,
  recurrentSearchPresets,
  recurrentSearchRules,
} from './methods/darts_rnn/settings.ts';
export {
  type FairdartsPresetName,
  type FairdartsSettings,
  fairdartsPresets,
  fairdartsSettingRules,
  resolveFairdartsSettings,
} from './methods/fairdarts/settings.ts';
export {
  resolveStacnasSettings,
  type StacnasPresetName,
  type StacnasSettings,
  stacnasPresets,
  stacnasSettingRules,
} from './methods/stacnas/settings.ts';
export {
  resolveTrainSettings,
  type TrainPresetName,
  type TrainSettings,
  trainPresets,
  trainSettingRules,
} from './methods/train/settings.ts';
export {
  type LanguageTrainingSettings,
  languageTrainingPresets,
  languageTrainingRules,
} from './methods/train_rnn/settings.ts';
export { buildDerivedNetwork, type DerivedNetworkOptions } from './network/derived.ts';
export type { DropPathUnit } from './network/genotype_operation.ts';
export {
  buildLanguageModel,
  type LanguageModel,
  type LanguageModelDropouts,
  type LanguageModelOptions,
  languageModelNames,
} from './network/language_model.ts';
export { mixingWeights } from './network/mixing.ts';
export { type AlphaTable, buildSupernet, type Supernet, type SupernetOptions } from './network/supernet.ts';
export { nasbench201Operations } from './operation/nasbench201.ts';
export { type NamedOperation, type Operation, type OperationContext, operations } from './operation/operations.ts';
export type {
  FailedOutcome,
  FoundAccuracy,
  FoundCell,
  ProtocolEvent,
  ProtocolPart,
  ProtocolPlace,
  ProtocolResult,
} from './protocol/events.ts';
export type {
  BenchmarkOptions,
  PickOptions,
  ProtocolArm,
  ProtocolOptions,
  SearchArm,
  SelectionArm,
} from './protocol/options.ts';
export { type ProtocolRun, runProtocol } from './protocol/protocol.ts';
export type { ProtocolMeasure, ProtocolRow, ProtocolTable } from './protocol/table.ts';
export { type Cost, costOf, type LayerCost, type LayerKind } from './report/cost.ts';
export { drawGenotype, type PictureFormat } from './report/draw.ts';
export { type DrawnCandidate, drawAlphaScatter } from './report/draw_alpha_scatter.ts';
export {
  type AnimationFormat,
  animationFormats,
  type DrawAnimationOptions,
  drawAnimation,
} from './report/draw_animation.ts';
export { type DrawnBenchmarkCurve, drawBenchmarkCurves } from './report/draw_benchmark.ts';
export { type DrawCurvesOptions, drawCurves } from './report/draw_curves.ts';
export { type DrawnFeatures, drawClusters, drawCorrelations } from './report/draw_features.ts';
export {
  type DrawHistoryOptions,
  drawHistory,
  type HistoryKind,
  historyKinds,
  type NamedHistory,
} from './report/draw_history.ts';
export {
  type DrawnAbsence,
  type DrawnDecision,
  type DrawnDecisions,
  type DrawScoresOptions,
  drawScores,
} from './report/draw_scores.ts';
export {
  type DrawnStrength,
  type DrawnStrengthEdge,
  type DrawnStrengths,
  drawStrength,
} from './report/draw_strength.ts';
export type {
  DecisionView,
  GenotypeView,
  LogLine,
  ProgressView,
  RunState,
  RunSummary,
  RunView,
  Series,
  SeriesUnit,
  StageView,
} from './report/run_view.ts';
export {
  type BenchmarkCurve,
  type BenchmarkCurveOptions,
  type BenchmarkPoint,
  benchmarkCurve,
} from './run/benchmark_curve.ts';
export type {
  AlphaCorrelation,
  CorrelationOptions,
  CorrelationProgress,
  ScoredCandidate,
} from './run/correlate.ts';
export { readDecisions, type ScoredDecision, type ScoredDecisions, type TriedAbsence } from './run/decisions.ts';
export type {
  CheckpointEvent,
  DecisionEvent,
  EpochEvent,
  GenotypeEvent,
  SearchEvent,
  SearchResult,
  StartEvent,
  StepEvent,
  TrainEvent,
  TrainResult,
  UnreadableEvent,
} from './run/events.ts';
export {
  type EdgeFeatures,
  edgeChoices,
  type FeatureClusters,
  type FeatureOptions,
  type Features,
  findFeatures,
} from './run/features.ts';
export { type FoundRun, findRuns } from './run/find_runs.ts';
export type { RunOptions } from './run/options.ts';
export { type RepeatedRun, type RepeatOptions, type RepeatResult, repeatRun } from './run/repeat.ts';
export { type WriteReportOptions, type WrittenReport, writeReport } from './run/report.ts';
export type { RunComparison, RunDifference } from './run/same_bits.ts';
export type { EdgeChoice, LearntCandidate, LearntWeight } from './run/searched_edge.ts';
export { type HistoryOptions, readHistory, type SelectFromOptions, type Selection, selectFrom } from './run/select.ts';
export {
  findStrength,
  type Strength,
  type StrengthMeasure,
  type StrengthOptions,
  strengthEdges,
} from './run/strength.ts';
export type { CandidateStrength, EdgeStrength, OperationStrength, StrengthSummary } from './run/strength_summary.ts';
export {
  exportTensorboard,
  type TensorboardExport,
  type TensorboardExportOptions,
} from './run/tensorboard_export.ts';
export { type TestOptions, type TestResult, test } from './run/test.ts';
export { type TestTextOptions, type TestTextResult, testText } from './run/test_text.ts';
export { type RunViewOptions, readRunView } from './run/view.ts';
export { type SearchOptions, type SearchRun, search } from './search.ts';
export { type AbsenceScore, type Criterion, criteria } from './select/absence.ts';
export type { RowsByTable } from './select/alpha.ts';
export type { Selectable, SelectableTable, WeightedCandidate } from './select/candidates.ts';
export type { ThresholdCount } from './select/empty_cells.ts';
export type { HistoryEntry, MixingHistory } from './select/history.ts';
export type { AlphaLayout, LayoutRow } from './select/layout.ts';
export { randomGenotype } from './select/random_genotype.ts';
export {
  defaultThreshold,
  type SelectionOptions,
  type SelectionRule,
  selectGenotype,
  selectionRules,
} from './select/rules.ts';
export { type OperationCounts, operationCounts } from './select/statistics.ts';
export { genotypeOf } from './select/strongest_edges.ts';
export { type SelectByOptions, type SelectionRun, selectBy } from './selection.ts';
export type { SettingRule } from './setting_rules.ts';
export type {
  CellBuilder,
  CellPlace,
  Network,
  PairedStack,
  Skeleton,
  Stack,
  StackEnds,
  StackExtras,
  StackOptions,
  StemForm,
} from './skeleton/skeleton.ts';
export { type SkeletonName, skeletons } from './skeleton/skeletons.ts';
export {
  type Candidate,
  type EdgePlace,
  type ResolvedEdge,
  type ResolvedSpace,
  resolveSpace,
  type SearchSpace,
  spaces,
} from './space/space.ts';
export type { Association, Associations } from './statistics/association.ts';
export { type ExactTest, type PairedTest, pairedTest } from './statistics/paired.ts';
export type { Coefficient } from './statistics/rank_correlation.ts';
export { type Sample, sampleOf } from './statistics/sample.ts';
export { type TrainOptions, type TrainRun, train } from './train.ts';
