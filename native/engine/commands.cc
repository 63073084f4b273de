#include "engine/commands.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <utility>

#include "engine/error.h"
#include "engine/ops/descriptor.h"

namespace dartsmith {
namespace {

void check_parameters(const Program& program, const Parameters& parameters) {
  const Graph& graph = program.graph();
  if (parameters.elements(Arena::kWeights) != graph.weight_elements ||
      parameters.elements(Arena::kBuffers) != graph.buffer_elements ||
      parameters.elements(Arena::kAlpha) != graph.alpha_elements ||
      parameters.elements(Arena::kStates) != graph.state_elements) {
    fail("execute", "expected parameters laid out for the program's graph");
  }
}

// Results of a pass: its own, and those of the terms of a sum of losses.
int results_of(const Program& program) {
  const Graph& graph = program.graph();
  const auto* sum = std::get_if<LossSumAttributes>(&graph.nodes[graph.output].attributes);
  return 1 + (sum == nullptr ? 0 : sum->count);
}

bool has_loss(const Program& program) {
  return descriptor_of(program.graph().nodes[program.graph().output].op).is_loss;
}

void check_mixing(const Program& program, const std::vector<GivenMixing>& mixing) {
  const int64_t alpha = program.graph().alpha_elements;
  for (const auto& [offset, weights] : mixing) {
    const auto count = static_cast<int64_t>(weights.size());
    if (offset >= 0 && offset <= alpha - count) continue;
    fail("execute", "expected mixing weights within ", alpha, " but got ", count, " at ", offset);
  }
}

void check_ranges(const char* op, const std::vector<WeightRange>& ranges, int64_t elements) {
  for (const auto& [offset, count] : ranges) {
    if (offset >= 0 && count >= 0 && offset <= elements - count) continue;
    fail(op, "expected parts of ", elements, " elements but got ", count, " at ", offset);
  }
}

void check(const PassCommand& command) {
  const Program& program = *command.program;
  check_parameters(program, *command.parameters);
  check_ranges("gradients", command.ranges, program.graph().weight_elements);
  check_ranges("gradients", command.added.ranges, program.graph().weight_elements);
  program.check(command.batch);
  program.check(command.statistics);
  for (int id : command.read) {
    if (id < 0 || id >= static_cast<int>(program.graph().nodes.size())) fail("read", "expected a node but got ", id);
  }
  check_mixing(program, command.mixing);
  const bool wants_gradient = command.kind == PassKind::kVjp && !has_loss(program);
  const size_t elements =
      wants_gradient ? program.samples(command.batch) * program.graph().nodes[program.graph().output].shape.elements()
                     : 0;
  if (command.output_gradient.size() != elements) {
    fail("vjp", "expected an output gradient of ", elements, " elements but got ", command.output_gradient.size());
  }
  if (command.kind != PassKind::kEvaluate && command.kind != PassKind::kVjp && !has_loss(program)) {
    fail("gradients", "expected a graph whose output is a loss");
  }
}

// Numbers that make no sense are refused before anything runs: they would silently turn all values into NaN.
void check_finite(const char* op, const char* name, double value) {
  if (!std::isfinite(value)) fail(op, "expected a finite number for ", name, " but got ", value);
}

void check_least(const char* op, const char* name, double value, double least) {
  check_finite(op, name, value);
  if (value < least) fail(op, "expected at least ", least, " for ", name, " but got ", value);
}

void check_positive(const char* op, const char* name, double value) {
  if (!(value > 0)) fail(op, "expected more than 0 for ", name, " but got ", value);
}

// From 0, and below 1.
void check_share(const char* op, const char* name, double value) {
  if (!(value >= 0 && value < 1)) fail(op, "expected at least 0 and less than 1 for ", name, " but got ", value);
}

void check(const HypergradientCommand& command) {
  check_parameters(*command.program, *command.parameters);
  command.program->check(command.train);
  command.program->check(command.validation);
  for (const Batch& batch : command.perturbed) command.program->check(batch);
  if (command.perturbed.size() % 2 != 0 || command.perturbed.size() > 2) {
    fail("hypergradient", "expected two perturbed batches or none");
  }
  check_ranges("hypergradient", command.held, command.program->graph().weight_elements);
  command.program->check(Statistics::kBatch);
  check_mixing(*command.program, command.mixing);
  if (!has_loss(*command.program)) fail("hypergradient", "expected a graph whose output is a loss");
  const HypergradientSettings& settings = command.settings;
  check_least("hypergradient", "the learning rate", settings.learning_rate, 0);
  check_least("hypergradient", "the momentum", settings.momentum, 0);
  check_least("hypergradient", "the weight decay", settings.weight_decay, 0);
  check_finite("hypergradient", "the radius", settings.radius);
  check_positive("hypergradient", "the radius", settings.radius);
  check_positive("hypergradient", "the largest norm", settings.max_norm);  // infinite where nothing is clipped
  if (settings.unclamped) check_finite("hypergradient", "the largest norm", settings.max_norm);
}

void check_moved(const char* op, const Moved& moved, const Parameters& parameters) {
  if (moved.ranges.empty()) fail(op, "expected something to move");
  check_ranges(op, moved.ranges, parameters.elements(moved.alpha ? Arena::kAlpha : Arena::kWeights));
}

void expect_second_moments(const char* op, const Moved& moved, const Parameters& parameters) {
  if (moved.alpha || parameters.elements(Arena::kVariance) == parameters.elements(Arena::kWeights)) return;
  fail(op, "expected parameters that keep second moments of the weights");
}

void check(const SgdCommand& command) {
  check_moved("sgd", command.moved, *command.parameters);
  if (command.in_second_moments) expect_second_moments("sgd", command.moved, *command.parameters);
  const SgdSettings& settings = command.settings;
  check_least("sgd", "the learning rate", settings.learning_rate, 0);
  check_least("sgd", "the momentum", settings.momentum, 0);
  check_least("sgd", "the weight decay", settings.weight_decay, 0);
  check_positive("sgd", "the largest norm", settings.max_norm);  // infinite where nothing is clipped
  if (settings.nesterov) check_positive("sgd", "the momentum of Nesterov", settings.momentum);
}

void check(const AdamCommand& command) {
  check_moved("adam", command.moved, *command.parameters);
  expect_second_moments("adam", command.moved, *command.parameters);
  const AdamSettings& settings = command.settings;
  check_least("adam", "the learning rate", settings.learning_rate, 0);
  check_share("adam", "the first beta", settings.beta1);
  check_share("adam", "the second beta", settings.beta2);
  check_least("adam", "epsilon", settings.epsilon, 0);
  check_least("adam", "the weight decay", settings.weight_decay, 0);
  check_positive("adam", "the largest norm", settings.max_norm);  // infinite where nothing is clipped
  check_least("adam", "the step", static_cast<double>(settings.step), 1);
}

void check(const ClipCommand& command) {
  if (command.parts.ranges.empty() && !command.parts.alpha) fail("clip", "expected something to clip");
  check_ranges("clip", command.parts.ranges, command.parameters->elements(Arena::kWeights));
  check_positive("clip", "the largest norm", command.settings.max_norm);
}

void check(const AverageCommand& command) {
  if (!(command.settings.decay >= 0 && command.settings.decay <= 1)) {
    fail("average", "expected a decay from 0 to 1 but got ", command.settings.decay);
  }
  for (const Arena arena : {Arena::kWeights, Arena::kBuffers}) {
    if (command.averages->elements(arena) == command.parameters->elements(arena)) continue;
    fail("average", "expected averages laid out as the parameters");
  }
  check_ranges("average", command.ranges, command.parameters->elements(Arena::kWeights));
}

void check(const PenaltyCommand& command) {
  check_finite("penalty", "the weight", command.settings.weight);
  check_finite("penalty", "the share of a term", command.settings.share);
  const int64_t elements = command.parameters->elements(Arena::kAlpha);
  if (static_cast<int64_t>(command.counted.size()) != elements) {
    fail("penalty", "expected to know of ", elements, " entries whether they count but got ", command.counted.size());
  }
  for (const MixingRow& row : command.rows) {
    if (row.length >= 1 && row.offset >= 0 && row.offset <= elements - row.length) continue;
    fail("penalty", "expected rows within ", elements, " but got ", row.length, " at ", row.offset);
  }
}

void check(const CopyCommand& command) {
  for (const auto& [arena, from, to, count] : command.parts) {
    const int64_t room = command.target->elements(arena), held = command.parameters->elements(arena);
    if (count < 0 || from < 0 || to < 0 || from > held - count || to > room - count) {
      fail("copy", "expected parts within the arenas but got ", count, " elements from ", from, " to ", to);
    }
    const bool overlaps = from < to + count && to < from + count;
    if (overlaps && command.target == command.parameters) fail("copy", "expected parts apart from one another");
  }
}

// What a command put into the step's memory, and where its result will lie.
struct Prepared {
  StepPlace settings;
  StepPlace rows, counted;  // of a penalty
  std::vector<StepPlace> mixing;
  int result = -1;
  // Of a pass one; of a hypergradient training, validation and, where there are some, perturbed.
  std::vector<BatchAddresses> batches;
  PassResult pass;
};

std::vector<PlacedMixing> placed(const std::vector<GivenMixing>& mixing, const Prepared& prepared,
                                 const StepMemory& memory) {
  std::vector<PlacedMixing> result;
  for (size_t i = 0; i < mixing.size(); ++i) {
    result.push_back({&mixing[i], memory.address<float>(prepared.mixing[i])});
  }
  return result;
}

// Places of a batch's parts, turned into addresses once these are known.
struct BatchPlaces {
  StepPlace indices, table, settings, dropout;
  bool gathers = false;

  BatchPlaces(StepMemory& memory, const Batch& batch) {
    dropout = memory.add(std::visit([](const BatchBase& base) { return base.dropout; }, batch));
    const auto* gathered = std::get_if<GatheredBatch>(&batch);
    if (gathered == nullptr) return;
    gathers = true;
    indices = memory.add(gathered->indices.data(), gathered->indices.size() * sizeof(uint32_t));
    table = memory.add(gathered->table.data(), gathered->table.size() * sizeof(float));
    settings = memory.add(gathered->settings);
  }
  BatchAddresses resolve(const StepMemory& memory) const {
    BatchAddresses addresses;
    addresses.dropout = memory.address<DropoutSettings>(dropout);
    if (!gathers) return addresses;
    addresses.indices = memory.address<uint32_t>(indices);
    addresses.table = memory.address<float>(table);
    addresses.settings = memory.address<GatherSettings>(settings);
    return addresses;
  }
};

// arXiv:1806.09055, equations 7 and 8. Weights are restored from a copy whatever happens in between.
class Hypergradient {
 public:
  Hypergradient(const HypergradientCommand& command, const Prepared& prepared, StepMemory& memory,
                const std::atomic<bool>& cancelled, bool recording)
      : command_(command),
        recording_(recording),
        prepared_(prepared),
        step_memory_(memory),
        settings_(memory.address<HypergradientSettings>(prepared.settings)),
        cancelled_(cancelled),
        backend_(*command.program->device().backend),
        parameters_(*command.parameters),
        kept_weights_(parameters_.scratch(Scratch::kWeights)),
        direction_(parameters_.scratch(Scratch::kDirection)),
        memory_(parameters_.alpha_memory()),
        count_(parameters_.elements(Arena::kWeights)) {
    backend_.copy(kept_weights_, weights(), weight_bytes());
  }

  void run() {
    try {
      compute();
      restore();
    } catch (...) {
      restore_after_failure();
      throw;
    }
  }

 private:
  size_t weight_bytes() const { return count_ * sizeof(float); }
  void restore() const { backend_.copy(weights(), kept_weights_, weight_bytes()); }

  // What failed may have been the restoring itself. Where it fails again the weights are gone, and say so when used.
  void restore_after_failure() const noexcept {
    if (recording_) return;  // nothing has run
    try {
      backend_.abandon();
      restore();
    } catch (...) {
      parameters_.lose_weights();
    }
  }

  void compute() {
    gradients(PassKind::kWeights, command_.train, prepared_.batches[0], Statistics::kBatchUpdating);
    measure(parameters_.data(Arena::kWeightGradients), memory_.training_squared_norm);
    backend_.sweeps().unrolled_step(backend_.stream(), {.unrolled = weights(),
                                                        .weights = kept_weights_,
                                                        .momentum_buffer = parameters_.data(Arena::kMomentum),
                                                        .gradients = parameters_.data(Arena::kWeightGradients),
                                                        .count = count_,
                                                        .squared_norm = memory_.training_squared_norm.as<double>(),
                                                        .settings = settings_});
    for (const auto& [offset, count] : command_.held) {
      backend_.copy(weights() + offset, kept_weights_ + offset, count * sizeof(float));
    }
    gradients(PassKind::kBoth, command_.validation, prepared_.batches[1], Statistics::kBatch);
    backend_.copy(direction_, parameters_.data(Arena::kWeightGradients), weight_bytes());
    backend_.copy(memory_.kept.as<float>(), alpha_gradients(), memory_.kept.bytes());
    measure(direction_, memory_.squared_norm);

    perturbed_alpha_gradients(1);
    backend_.copy(memory_.plus.as<float>(), alpha_gradients(), memory_.plus.bytes());
    perturbed_alpha_gradients(-1);
    backend_.sweeps().combine_hypergradient(backend_.stream(),
                                            {.target = memory_.kept.as<float>(),
                                             .plus = memory_.plus.as<float>(),
                                             .minus = alpha_gradients(),
                                             .count = parameters_.elements(Arena::kAlpha),
                                             .squared_norm = memory_.squared_norm.as<double>(),
                                             .training_squared_norm = memory_.training_squared_norm.as<double>(),
                                             .settings = settings_});
    for (const auto& [norm, result] : {std::pair{&memory_.training_squared_norm, 0}, {&memory_.squared_norm, 1}}) {
      backend_.copy(step_memory_.number_address(norms() + result), norm->as<double>(), sizeof(double));
    }
    backend_.copy(alpha_gradients(), memory_.kept.as<float>(), memory_.kept.bytes());
  }

  // Results behind those of the passes.
  int norms() const { return prepared_.result + 2 * results_of(*command_.program); }
  void measure(const float* values, const Buffer& squared_norm) const {
    backend_.sweeps().squared_norm(backend_.stream(), values, count_, squared_norm.as<double>(),
                                   parameters_.norm_workspace(), false);
  }
  float* weights() const { return parameters_.data(Arena::kWeights); }
  float* alpha_gradients() const { return parameters_.data(Arena::kAlphaGradients); }

  // The validation loss is the result; the losses of the other passes go where nobody looks.
  void gradients(PassKind kind, const Batch& batch, const BatchAddresses& addresses, Statistics statistics) {
    PassRequest request;
    request.kind = kind;
    request.statistics = statistics;
    request.batch = &batch;
    request.addresses = addresses;
    request.mixing = placed(command_.mixing, prepared_, step_memory_);
    request.recording = recording_;
    const bool is_result = kind == PassKind::kBoth;
    request.loss = step_memory_.loss_address(prepared_.result + (is_result ? 0 : results_of(*command_.program)));
    command_.program->run(request, parameters_, cancelled_);
  }

  void perturbed_alpha_gradients(float sign) {
    backend_.sweeps().perturb(backend_.stream(), {.perturbed = weights(),
                                                  .weights = kept_weights_,
                                                  .direction = direction_,
                                                  .count = count_,
                                                  .squared_norm = memory_.squared_norm.as<double>(),
                                                  .settings = settings_,
                                                  .sign = sign});
    const bool own = command_.perturbed.empty();
    const size_t which = sign > 0 ? 0 : 1;
    gradients(PassKind::kAlpha, own ? command_.train : command_.perturbed[which],
              prepared_.batches[own ? 0 : 2 + which], Statistics::kBatchUpdating);
  }

  const HypergradientCommand& command_;
  const bool recording_;
  const Prepared& prepared_;
  StepMemory& step_memory_;
  const HypergradientSettings* settings_;
  const std::atomic<bool>& cancelled_;
  Backend& backend_;
  const Parameters& parameters_;
  float* const kept_weights_;
  float* const direction_;
  const AlphaMemory& memory_;
  const int64_t count_;
};

// One run of commands: what they need goes to the device at once, then they are queued, then all results are fetched.
class Execution {
 public:
  Execution(Device& device, const std::vector<Command>& commands, const std::atomic<bool>& cancelled)
      : device_(device), memory_(device.step_memory), commands_(commands), cancelled_(cancelled) {}

  std::vector<Outcome> run() {
    prepare();
    queue();
    memory_.download(results_);
    device_.backend->finish();
    std::vector<Outcome> outcomes;
    for (size_t i = 0; i < commands_.size(); ++i) {
      outcomes.push_back(std::visit([&](const auto& c) { return outcome(c, prepared_[i]); }, commands_[i]));
    }
    return outcomes;
  }

 private:
  void prepare() {
    memory_.begin();
    std::vector<std::vector<BatchPlaces>> places;
    for (const Command& command : commands_) {
      std::visit([](const auto& c) { c.parameters->expect_weights(); }, command);
      Prepared prepared;
      std::vector<const Batch*> batches;
      std::visit([&](const auto& c) { prepare(c, prepared, batches); }, command);
      std::vector<BatchPlaces>& own = places.emplace_back();
      for (const Batch* batch : batches) own.emplace_back(memory_, *batch);
      prepared_.push_back(std::move(prepared));
    }
    if (results_ > StepMemory::kResults) fail("execute", "expected fewer commands in a run but got ", commands_.size());
    if (memory_.make_room()) device_.recordings.clear();
    for (size_t i = 0; i < prepared_.size(); ++i) {
      for (const BatchPlaces& batch : places[i]) prepared_[i].batches.push_back(batch.resolve(memory_));
    }
    memory_.upload();
  }

  void place_mixing(const std::vector<GivenMixing>& mixing, Prepared& prepared) {
    for (const auto& [offset, weights] : mixing) {
      prepared.mixing.push_back(memory_.add(weights.data(), weights.size() * sizeof(float)));
    }
  }

  void prepare(const PassCommand& command, Prepared& prepared, std::vector<const Batch*>& batches) {
    batches = {&command.batch};
    place_mixing(command.mixing, prepared);
    prepared.result = results_;
    results_ += results_of(*command.program);
  }
  void prepare(const HypergradientCommand& command, Prepared& prepared, std::vector<const Batch*>& batches) {
    batches = {&command.train, &command.validation};
    for (const Batch& batch : command.perturbed) batches.push_back(&batch);
    place_mixing(command.mixing, prepared);
    prepared.settings = memory_.add(command.settings);
    prepared.result = results_;
    // The second ones are those of passes whose loss nobody wants; then two norms.
    results_ += 2 * results_of(*command.program) + 2;
  }
  void prepare(const SgdCommand& command, Prepared& prepared, std::vector<const Batch*>&) {
    prepared.settings = memory_.add(command.settings);
    prepared.result = results_++;
  }
  void prepare(const AdamCommand& command, Prepared& prepared, std::vector<const Batch*>&) {
    prepared.settings = memory_.add(command.settings);
    if (clips(command)) prepared.result = results_++;
  }

  void prepare(const ClipCommand& command, Prepared& prepared, std::vector<const Batch*>&) {
    prepared.settings = memory_.add(command.settings);
    prepared.result = results_++;
  }

  void prepare(const AverageCommand& command, Prepared& prepared, std::vector<const Batch*>&) {
    prepared.settings = memory_.add(command.settings);
  }

  void prepare(const CopyCommand&, Prepared&, std::vector<const Batch*>&) {}
  void prepare(const PenaltyCommand& command, Prepared& prepared, std::vector<const Batch*>&) {
    prepared.settings = memory_.add(command.settings);
    prepared.rows = memory_.add(command.rows.data(), command.rows.size() * sizeof(MixingRow));
    prepared.counted = memory_.add(command.counted.data(), command.counted.size());
    prepared.result = results_++;
  }

  void queue() {
    if (!device_.backend->records() || !repeatable()) return queue_commands();
    // What would be left of many programs is dropped; those in use are soon recorded again.
    constexpr size_t kMostRecordings = 32;
    const std::string what = describe();
    if (device_.recordings.size() > kMostRecordings) device_.recordings.clear();
    const auto known = device_.recordings.find(what);
    if (known == device_.recordings.end()) {
      // The first time makes plans and room; only then do addresses stay.
      device_.begin_run();
      queue_commands();
      if (device_.arena_holds_run()) device_.recordings.try_emplace(what);
      return;
    }
    if (known->second == nullptr) {
      recording_ = true;
      known->second = device_.backend->record([&] { queue_commands(); });
      recording_ = false;
    }
    if (cancelled_) throw Cancelled();
    known->second->replay();
    device_.recorded_kernels = known->second->kernels();
  }

  void queue_commands() {
    for (size_t i = 0; i < commands_.size(); ++i) {
      if (cancelled_) throw Cancelled();
      std::visit([&](const auto& c) { queue(c, prepared_[i]); }, commands_[i]);
    }
  }

  // Whether all that differs from run to run lies in the step's memory.
  bool repeatable() const {
    return std::ranges::all_of(commands_, [](const Command& command) {
      if (const auto* pass = std::get_if<PassCommand>(&command)) {
        return is_repeatable(pass->batch) && pass->read.empty() && pass->output_gradient.empty() && !pass->profile &&
               pass->kind != PassKind::kVjp;
      }
      const auto* hyper = std::get_if<HypergradientCommand>(&command);
      return hyper == nullptr || (is_repeatable(hyper->train) && is_repeatable(hyper->validation));
    });
  }

  static bool is_repeatable(const Batch& batch) {
    const auto* gathered = std::get_if<GatheredBatch>(&batch);
    return gathered != nullptr && gathered->inputs.empty();
  }

  // Two runs with the same description differ in the step's memory only.
  std::string describe() const {
    std::ostringstream text;
    const auto dataset = [](const Batch& batch) { return std::get<GatheredBatch>(batch).dataset->serial; };
    for (const Command& command : commands_) {
      text << command.index() << ' ' << std::visit([](const auto& c) { return c.parameters->serial(); }, command)
           << ' ';
      if (const auto* pass = std::get_if<PassCommand>(&command)) {
        text << pass->program->serial() << ' ' << static_cast<int>(pass->kind) << ' '
             << static_cast<int>(pass->statistics) << ' ' << dataset(pass->batch);
        describe(pass->ranges, text);
        describe(pass->added, text);
        describe(pass->mixing, text);
      } else if (const auto* hyper = std::get_if<HypergradientCommand>(&command)) {
        text << hyper->program->serial() << ' ' << dataset(hyper->train) << ' ' << dataset(hyper->validation);
        describe(hyper->mixing, text);
        describe(hyper->held, text);
        text << ' ' << hyper->perturbed.size();
      } else if (const auto* average = std::get_if<AverageCommand>(&command)) {
        text << average->averages->serial() << ' ' << average->buffers;
        describe(average->ranges, text);
      } else if (const auto* sgd = std::get_if<SgdCommand>(&command)) {
        text << sgd->in_second_moments << ' ' << sgd->moved.alpha;
        describe(sgd->moved.ranges, text);
      } else if (const auto* adam = std::get_if<AdamCommand>(&command)) {
        text << clips(*adam) << ' ' << adam->moved.alpha;
        describe(adam->moved.ranges, text);
      } else if (const auto* clip = std::get_if<ClipCommand>(&command)) {
        describe(clip->parts, text);
      } else if (const auto* copy = std::get_if<CopyCommand>(&command)) {
        text << copy->target->serial();
        for (const auto& [arena, from, to, count] : copy->parts) {
          text << ' ' << static_cast<int>(arena) << ':' << from << ':' << to << ':' << count;
        }
      } else if (const auto* penalty = std::get_if<PenaltyCommand>(&command)) {
        text << static_cast<int>(penalty->form) << ' ' << penalty->rows.size();
      }
      text << ';';
    }
    return text.str();
  }

  static void describe(const std::vector<WeightRange>& ranges, std::ostringstream& text) {
    for (const auto& [offset, count] : ranges) text << " r" << offset << ':' << count;
  }

  static void describe(const GradientParts& parts, std::ostringstream& text) {
    text << ' ' << parts.alpha;
    describe(parts.ranges, text);
  }

  // Candidates of weight 0 do not run: which they are belongs to a run, the other weights lie in the step's memory.
  static void describe(const std::vector<GivenMixing>& mixing, std::ostringstream& text) {
    for (const auto& [offset, weights] : mixing) {
      text << " m" << offset << ':';
      for (const float weight : weights) text << (weight == 0 ? '0' : '1');
    }
  }

  void queue(const PassCommand& command, Prepared& prepared) {
    PassRequest request;
    request.kind = command.kind;
    request.statistics = command.statistics;
    request.batch = &command.batch;
    request.addresses = prepared.batches[0];
    request.loss = memory_.loss_address(prepared.result);
    request.mixing = placed(command.mixing, prepared, memory_);
    request.read = command.read;
    request.output_gradient = command.output_gradient;
    request.ranges = command.ranges;
    request.profile = command.profile;
    request.recording = recording_;
    keep_gradients(command);
    prepared.pass = command.program->run(request, *command.parameters, cancelled_);
    add_kept_gradients(command);
  }

  // Kernels overwrite gradients: those that a pass is added to stand aside meanwhile.
  void keep_gradients(const PassCommand& command) {
    const Parameters& parameters = *command.parameters;
    for (const auto& [offset, count] : command.added.ranges) {
      device_.backend->copy(parameters.scratch(Scratch::kKept) + offset,
                            parameters.data(Arena::kWeightGradients) + offset, count * sizeof(float));
    }
    if (!command.added.alpha) return;
    const Buffer& kept = parameters.alpha_memory().kept;
    device_.backend->copy(kept.as<float>(), parameters.data(Arena::kAlphaGradients), kept.bytes());
  }

  void add_kept_gradients(const PassCommand& command) {
    const Parameters& parameters = *command.parameters;
    Backend& backend = *device_.backend;
    for (const auto& [offset, count] : command.added.ranges) {
      backend.sweeps().accumulate(backend.stream(), parameters.data(Arena::kWeightGradients) + offset,
                                  parameters.scratch(Scratch::kKept) + offset, count);
    }
    if (!command.added.alpha) return;
    backend.sweeps().accumulate(backend.stream(), parameters.data(Arena::kAlphaGradients),
                                parameters.alpha_memory().kept.as<float>(), parameters.elements(Arena::kAlpha));
  }

  void queue(const HypergradientCommand& command, Prepared& prepared) {
    Hypergradient(command, prepared, memory_, cancelled_, recording_).run();
  }

  struct Gradients {
    float* values;
    int64_t count;
  };

  // Of an optimiser's gradients.
  template <typename Optimiser>
  const double* measure_norm(const Optimiser& command, const Prepared& prepared) {
    float* gradients = arena(command, Arena::kWeightGradients, Arena::kAlphaGradients);
    std::vector<Gradients> pieces;
    for (const auto& [offset, count] : command.moved.ranges) pieces.push_back({gradients + offset, count});
    return measure_norm(pieces, *command.parameters, prepared);
  }

  // Of all pieces together, in the command's result.
  const double* measure_norm(const std::vector<Gradients>& pieces, const Parameters& parameters,
                             const Prepared& prepared) {
    Backend& backend = *device_.backend;
    double* norm = memory_.number_address(prepared.result);
    bool adds = false;
    for (const auto& [values, count] : pieces) {
      backend.sweeps().squared_norm(backend.stream(), values, count, norm, parameters.norm_workspace(),
                                    std::exchange(adds, true));
    }
    return norm;
  }

  void queue(const SgdCommand& command, Prepared& prepared) {
    Backend& backend = *device_.backend;
    const auto at = [&](Arena weights, Arena alpha) { return arena(command, weights, alpha); };
    float* momentum = command.in_second_moments ? at(Arena::kVariance, Arena::kAlphaVariance)
                                                : at(Arena::kMomentum, Arena::kAlphaMean);
    const double* norm = measure_norm(command, prepared);
    for (const auto& [offset, count] : command.moved.ranges) {
      backend.sweeps().sgd(backend.stream(), {.weights = at(Arena::kWeights, Arena::kAlpha) + offset,
                                              .momentum_buffer = momentum + offset,
                                              .gradients = at(Arena::kWeightGradients, Arena::kAlphaGradients) + offset,
                                              .count = count,
                                              .squared_norm = norm,
                                              .settings = memory_.address<SgdSettings>(prepared.settings)});
    }
  }

  // An arena of the role that an optimiser moves.
  template <typename Optimiser>
  static float* arena(const Optimiser& command, Arena weights, Arena alpha) {
    return command.parameters->data(command.moved.alpha ? alpha : weights);
  }

  void queue(const AdamCommand& command, Prepared& prepared) {
    Backend& backend = *device_.backend;
    const auto at = [&](Arena weights, Arena alpha) { return arena(command, weights, alpha); };
    const double* norm = clips(command) ? measure_norm(command, prepared) : nullptr;
    for (const auto& [offset, count] : command.moved.ranges) {
      backend.sweeps().adam(backend.stream(),
                            {.values = at(Arena::kWeights, Arena::kAlpha) + offset,
                             .mean = at(Arena::kMomentum, Arena::kAlphaMean) + offset,
                             .variance = at(Arena::kVariance, Arena::kAlphaVariance) + offset,
                             .gradients = at(Arena::kWeightGradients, Arena::kAlphaGradients) + offset,
                             .count = count,
                             .squared_norm = norm,
                             .settings = memory_.address<AdamSettings>(prepared.settings)});
    }
  }

  void queue(const ClipCommand& command, const Prepared& prepared) {
    Backend& backend = *device_.backend;
    const Parameters& parameters = *command.parameters;
    std::vector<Gradients> pieces;
    for (const auto& [offset, count] : command.parts.ranges) {
      pieces.push_back({parameters.data(Arena::kWeightGradients) + offset, count});
    }
    if (command.parts.alpha) {
      pieces.push_back({parameters.data(Arena::kAlphaGradients), parameters.elements(Arena::kAlpha)});
    }
    const double* norm = measure_norm(pieces, parameters, prepared);
    const auto* settings = memory_.address<ClipSettings>(prepared.settings);
    for (const auto& [values, count] : pieces) {
      backend.sweeps().clip(backend.stream(), {values, count, norm, settings});
    }
  }

  void queue(const AverageCommand& command, const Prepared& prepared) {
    for (const WeightRange& range : command.ranges) move_average(command, prepared, Arena::kWeights, range);
    const int64_t buffers = command.parameters->elements(Arena::kBuffers);
    if (command.buffers) move_average(command, prepared, Arena::kBuffers, {0, buffers});
  }

  void move_average(const AverageCommand& command, const Prepared& prepared, Arena arena, const WeightRange& range) {
    Backend& backend = *device_.backend;
    backend.sweeps().average(backend.stream(), {.average = command.averages->data(arena) + range.offset,
                                                .values = command.parameters->data(arena) + range.offset,
                                                .count = range.count,
                                                .settings = memory_.address<AverageSettings>(prepared.settings)});
  }

  void queue(const CopyCommand& command, const Prepared&) {
    for (const auto& [arena, from, to, count] : command.parts) {
      device_.backend->copy(command.target->data(arena) + to, command.parameters->data(arena) + from,
                            count * sizeof(float));
    }
  }

  void queue(const PenaltyCommand& command, const Prepared& prepared) {
    Backend& backend = *device_.backend;
    backend.sweeps().penalty(backend.stream(), {.form = command.form,
                                                .alpha = command.parameters->data(Arena::kAlpha),
                                                .gradients = command.parameters->data(Arena::kAlphaGradients),
                                                .rows = memory_.address<MixingRow>(prepared.rows),
                                                .counted = memory_.address<uint8_t>(prepared.counted),
                                                .row_count = static_cast<int64_t>(command.rows.size()),
                                                .settings = memory_.address<PenaltySettings>(prepared.settings),
                                                .result = memory_.number_address(prepared.result)});
  }

  Outcome outcome(const PassCommand& command, Prepared& prepared) const {
    Outcome outcome;
    outcome.pass = std::move(prepared.pass);
    if (has_loss(*command.program)) outcome.loss = memory_.loss(prepared.result);
    add_terms(*command.program, prepared, outcome);
    return outcome;
  }
  Outcome outcome(const HypergradientCommand& command, const Prepared& prepared) const {
    Outcome outcome;
    const int norms = prepared.result + 2 * results_of(*command.program);
    outcome.gradient_norm = std::sqrt(memory_.number(norms));
    outcome.direction_norm = std::sqrt(memory_.number(norms + 1));
    outcome.loss = memory_.loss(prepared.result);
    add_terms(*command.program, prepared, outcome);
    return outcome;
  }
  void add_terms(const Program& program, const Prepared& prepared, Outcome& outcome) const {
    for (int term = 1; term < results_of(program); ++term) {
      outcome.terms.push_back(memory_.loss(prepared.result + term).loss);
    }
  }
  Outcome outcome(const SgdCommand&, const Prepared& prepared) const { return with_norm(prepared); }
  Outcome outcome(const ClipCommand&, const Prepared& prepared) const { return with_norm(prepared); }
  Outcome with_norm(const Prepared& prepared) const {
    Outcome outcome;
    outcome.gradient_norm = std::sqrt(memory_.number(prepared.result));
    return outcome;
  }
  static bool clips(const AdamCommand& command) { return std::isfinite(command.settings.max_norm); }
  Outcome outcome(const AdamCommand& command, const Prepared& prepared) const {
    return clips(command) ? with_norm(prepared) : Outcome{};
  }
  Outcome outcome(const AverageCommand&, const Prepared&) const { return {}; }
  Outcome outcome(const CopyCommand&, const Prepared&) const { return {}; }
  Outcome outcome(const PenaltyCommand&, const Prepared& prepared) const {
    Outcome outcome;
    outcome.penalty = memory_.number(prepared.result);
    return outcome;
  }

  Device& device_;
  StepMemory& memory_;
  const std::vector<Command>& commands_;
  const std::atomic<bool>& cancelled_;
  std::vector<Prepared> prepared_;
  int results_ = 0;
  bool recording_ = false;
};

void stage(const Device& device, Batch& batch) {
  auto* direct = std::get_if<DirectBatch>(&batch);
  if (direct == nullptr) return;
  for (const auto& [id, values] : direct->inputs) {
    if (!device.backend->stages(values.size() * sizeof(float))) continue;
    Buffer& buffer = direct->staged[id] = Buffer(device.backend, values.size() * sizeof(float));
    device.backend->stage(buffer.as<void>(), values.data(), buffer.bytes());
  }
}

}  // namespace

void check(const Command& command) {
  std::visit([](const auto& c) { check(c); }, command);
}

void stage(const Device& device, std::vector<Command>& commands) {
  try {
    for (Command& command : commands) {
      if (auto* pass = std::get_if<PassCommand>(&command)) stage(device, pass->batch);
      if (auto* hyper = std::get_if<HypergradientCommand>(&command)) {
        stage(device, hyper->train);
        stage(device, hyper->validation);
        for (Batch& batch : hyper->perturbed) stage(device, batch);
      }
    }
  } catch (...) {
    device.backend->settle_staged();  // the commands, and where they were staged, go now
    throw;
  }
}

std::vector<Outcome> execute(Device& device, const std::vector<Command>& commands, const std::atomic<bool>& cancelled) {
  return Execution(device, commands, cancelled).run();
}

}  // namespace dartsmith
