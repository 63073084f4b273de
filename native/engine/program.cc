#include "engine/program.h"

#include <algorithm>
#include <set>
#include <sstream>
#include <utility>

#include "engine/bfloat16.h"
#include "engine/error.h"

namespace dartsmith {

// One run of a plan: where its buffers lie now and which gradients have been written so far.
class Executor {
 public:
  Executor(Program& program, const Plan& plan, const PassRequest& request, const Parameters& parameters)
      : program_(program),
        plan_(plan),
        request_(request),
        parameters_(parameters),
        backend_(*program.device_->backend),
        arena_(program.device_->arena(static_cast<size_t>(plan.arena_bytes))),
        needed_(plan.nodes.size(), false),
        written_(plan.nodes.size(), false),
        given_(program.graph_.alpha_elements, 1.0f) {}

  PassResult run(const std::atomic<bool>& cancelled) {
    if (!program_.rows_.empty()) prepare_mixing();
    find_needed();
    if (const auto* gathered = std::get_if<GatheredBatch>(request_.batch)) {
      gather(*gathered);
    } else {
      upload(std::get<DirectBatch>(*request_.batch));
    }
    PassResult result;
    for (int id : request_.read) {
      if (program_.graph_.nodes[id].op == Op::kInput) read(id, result);
    }
    bool backward_started = false;
    for (size_t time = 0; time < plan_.steps.size(); ++time) {
      const Step& step = plan_.steps[time];
      if (cancelled.load(std::memory_order_relaxed)) throw Cancelled();
      mark_zones(static_cast<int>(time));
      if (step.backward && !backward_started) {
        backward_started = true;
        start_backward();
      }
      run(step, result);
      if (!step.backward) read_outputs(step, result);
      check_zones(static_cast<int>(time));
    }
    if (!backward_started && plan_.kind != PassKind::kEvaluate) start_backward();  // no kernel between output and input
    finish(result);
    return result;
  }

 private:
  void run(const Step& step, PassResult& result) {
    std::vector<Call> calls;
    std::vector<int> ids;
    for (const StepNode& node : step.nodes) {
      // A node whose output's gradient nobody wrote has a zero gradient: nothing flows through it.
      if (!needed_[node.id] || (step.backward && !written_[node.id])) continue;
      ids.push_back(node.id);
      calls.push_back(call(node, step.backward));
    }
    if (calls.empty()) return;
    if (!request_.profile) return launch(step, calls);
    const double seconds = backend_.seconds_of([&] { launch(step, calls); });
    result.profile.push_back(count_work(plan_, ids, step.backward, program_.batch_));
    result.profile.back().seconds = seconds;
    result.profile.back().workspace_bytes = workspace_bytes(calls, step.backward);
  }

  std::byte* zone_behind(size_t buffer) const {
    const auto zone = static_cast<int64_t>(backend_.zone_bytes());
    return arena_ + plan_.offsets[buffer] + plan_.lifetimes[buffer].bytes - zone;
  }
  void mark_zones(int time) const {
    if (!checks_zones()) return;
    for (size_t b = 0; b < plan_.lifetimes.size(); ++b) {
      if (plan_.lifetimes[b].first == time) backend_.mark_zone(zone_behind(b));
    }
  }
  void check_zones(int time) const {
    if (!checks_zones()) return;
    for (size_t b = 0; b < plan_.lifetimes.size(); ++b) {
      if (plan_.lifetimes[b].last == time) backend_.check_zone(zone_behind(b));
    }
  }
  // Not while a run is recorded: it ran before.
  bool checks_zones() const { return backend_.zone_bytes() > 0 && !request_.recording; }

  void read_outputs(const Step& step, PassResult& result) const {
    for (const StepNode& node : step.nodes) {
      for (int id : request_.read) {
        if (lowered(id) == node.id) read(id, result);
      }
    }
  }

  const LoweredNode& lowered_node(int id) const { return plan_.graph.nodes[id]; }
  const Node& node(int id) const { return plan_.graph.nodes[id].node; }
  int lowered(int original) const { return plan_.graph.of_original[original]; }
  const PlannedNode& planned(int id) const { return plan_.nodes[id]; }

  template <typename T = float>
  T* buffer(int index) const {
    return index < 0 ? nullptr : reinterpret_cast<T*>(arena_ + plan_.offsets[index]);
  }

  Tensor tensor(int id) const {
    const Shape& shape = node(id).shape;
    return {buffer(planned(id).value), program_.batch_, shape.height, shape.width, shape.channels,
            plan_.precision_of(id)};
  }

  size_t elements(int id) const { return program_.batch_ * node(id).shape.elements(); }

  void upload_values(float* target, const std::vector<float>& values, Precision precision) const {
    if (precision != Precision::kBf16) return backend_.upload(target, values.data(), values.size() * sizeof(float));
    std::vector<Bfloat16> halves(values.size());
    std::ranges::transform(values, halves.begin(), to_bfloat16);
    backend_.upload(target, halves.data(), halves.size() * sizeof(Bfloat16));
  }

  std::vector<float> download_values(const float* source, size_t count, Precision precision) const {
    std::vector<float> values(count);
    if (precision != Precision::kBf16) {
      backend_.download(values.data(), source, count * sizeof(float));
      return values;
    }
    std::vector<Bfloat16> halves(count);
    backend_.download(halves.data(), source, count * sizeof(Bfloat16));
    std::ranges::transform(halves, values.begin(), from_bfloat16);
    return values;
  }

  void prepare_mixing() {
    float* mixing = program_.mixing_.as<float>();
    backend_.sweeps().mixing_forward(backend_.stream(), program_.rows_.data(),
                                     static_cast<int64_t>(program_.rows_.size()), parameters_.data(Arena::kAlpha),
                                     mixing);
    for (const GivenMixing& given : request_.mixing) {
      backend_.upload(mixing + given.offset, given.weights.data(), given.weights.size() * sizeof(float));
      std::ranges::copy(given.weights, given_.begin() + given.offset);
    }
  }

  void gather(const GatheredBatch& batch) {
    const Shape& shape = batch.dataset->shape;
    backend_.sweeps().gather(backend_.stream(), {.images = batch.dataset->images.as<uint8_t>(),
                                                 .all_labels = batch.dataset->labels.as<int32_t>(),
                                                 .indices = request_.addresses.indices,
                                                 .output = buffer(planned(input_node()).value),
                                                 .labels = program_.labels_.as<int32_t>(),
                                                 .batch = program_.batch_,
                                                 .height = shape.height,
                                                 .width = shape.width,
                                                 .channels = shape.channels,
                                                 .table = request_.addresses.table,
                                                 .settings = request_.addresses.settings});
  }

  // The only input of a graph that takes gathered batches.
  int input_node() const {
    for (size_t id = 0; id < plan_.nodes.size(); ++id) {
      if (node(static_cast<int>(id)).op == Op::kInput) return static_cast<int>(id);
    }
    return -1;
  }

  void upload(const DirectBatch& batch) {
    if (!batch.staged.empty()) backend_.wait_for_staged();
    for (const auto& [id, values] : batch.inputs) {
      float* target = buffer(planned(lowered(id)).value);
      const auto staged = batch.staged.find(id);
      if (staged == batch.staged.end()) {
        backend_.upload(target, values.data(), values.size() * sizeof(float));
      } else {
        backend_.copy(target, staged->second.as<float>(), values.size() * sizeof(float));
      }
    }
    if (program_.has_loss_) {
      backend_.upload(program_.labels_.as<void>(), batch.labels.data(), batch.labels.size() * sizeof(int32_t));
    }
  }

  // What the output and the nodes to read depend on, through branches that count.
  void find_needed() {
    needed_[plan_.graph.output] = true;
    for (int id : request_.read) needed_[lowered(id)] = true;
    for (int id = static_cast<int>(needed_.size()) - 1; id >= 0; --id) {
      if (!needed_[id]) continue;
      for (const LoweredInput& input : lowered_node(id).inputs) needed_[input.id] = needed_[input.id] || counts(input);
    }
  }

  // Only a weight given as exactly 0 takes a candidate out; one that follows from alpha never does.
  bool counts(int64_t mixing) const { return given_[mixing] != 0.0f; }
  bool counts(const LoweredInput& input) const { return input.mixing < 0 || counts(input.mixing); }

  // A call and the arrays that it points to.
  struct Call : KernelCall {
    std::vector<Tensor> tensors;
    std::vector<InputLink> input_links;
    std::vector<GradientTarget> targets;
  };

  InputLink link(const LoweredInput& input, bool backward) const {
    InputLink link;
    if (node(input.id).op == Op::kPooledMoments) link.pool = &node(input.id);
    if (input.normalised) link.statistics = buffer(planned(input.id).saved);
    if (node(input.id).scale) add_affine(node(input.id), backward, link);
    if (input.normalised && backward) link.gradient_map = buffer(planned(input.id).gradient_map);
    if (input.mixing >= 0) link.mixing = program_.mixing_.as<float>() + input.mixing;
    if (input.mixing >= 0 && backward && plan_.wants_alpha) {
      link.mixing_gradient = program_.mixing_gradients_.as<double>() + input.mixing;
    }
    return link;
  }

  void add_affine(const Node& norm, bool backward, InputLink& link) const {
    link.scale = parameters_.data(Arena::kWeights) + norm.scale.offset;
    link.shift = parameters_.data(Arena::kWeights) + norm.shift.offset;
    if (!backward || !plan_.wants_weights) return;
    link.scale_gradient = parameters_.data(Arena::kWeightGradients) + norm.scale.offset;
    link.shift_gradient = parameters_.data(Arena::kWeightGradients) + norm.shift.offset;
  }

  Call call(const StepNode& step_node, bool backward) {
    const int id = step_node.id;
    const Node& n = node(id);
    Call call;
    // Inputs of weight 0 are left out: they were not computed.
    for (const LoweredInput& input : lowered_node(id).inputs) {
      if (!counts(input)) continue;
      call.tensors.push_back(tensor(input.id));
      call.input_links.push_back(link(input, backward));
      if (backward) call.targets.push_back(gradient_target(n, input));
    }
    call.node = &n;
    call.input_count = static_cast<int>(call.tensors.size());
    call.output = tensor(id);
    call.saved = buffer(planned(id).saved);
    call.workspace = buffer<void>(step_node.workspace);
    call.statistics = request_.statistics;
    if (n.weight) call.weight = parameters_.data(Arena::kWeights) + n.weight.offset;
    if (n.bias) call.bias = parameters_.data(Arena::kWeights) + n.bias.offset;
    if (n.running_mean) call.running_mean = parameters_.data(Arena::kBuffers) + n.running_mean.offset;
    if (n.running_variance) call.running_variance = parameters_.data(Arena::kBuffers) + n.running_variance.offset;
    call.labels = program_.labels_.as<int32_t>();
    if (request_.addresses.settings != nullptr) call.label_share = &request_.addresses.settings->share;
    call.loss = request_.loss;
    call.dropout = request_.addresses.dropout;
    call.precision = plan_.precision;
    if (!backward) return call;
    call.output_gradient = buffer(planned(id).gradient);
    call.gradient_precision = plan_.gradient_precision_of(id);
    call.output_gradient_map = buffer(planned(id).gradient_map);
    float* gradients = parameters_.data(Arena::kWeightGradients);
    if (plan_.wants_weights && n.weight) call.weight_gradient = gradients + n.weight.offset;
    if (plan_.wants_weights && n.bias) call.bias_gradient = gradients + n.bias.offset;
    return call;
  }

  void launch(const Step& step, std::vector<Call>& calls) const {
    std::vector<KernelCall> launched;
    for (Call& call : calls) {
      call.inputs = call.tensors.data();
      call.links = call.input_links.data();
      call.input_gradients = call.targets.data();
      launched.push_back(call);
    }
    const OpKernels& kernels = backend_.kernels(node(step.nodes.front().id).op);
    const auto group = step.backward ? kernels.backward_group : kernels.forward_group;
    if (group != nullptr) return group(backend_.stream(), launched.data(), static_cast<int>(launched.size()));
    const auto single = step.backward ? kernels.backward : kernels.forward;
    for (const KernelCall& call : launched) single(backend_.stream(), call);
  }

  // Of a step; nodes that measure one pooling share the first one's.
  int64_t workspace_bytes(const std::vector<Call>& calls, bool backward) const {
    const auto count = backend_.kernels(calls.front().node->op).workspace_bytes;
    if (count == nullptr) return 0;
    std::set<std::pair<const float*, Op>> measured;
    int64_t total = 0;
    for (const Call& call : calls) {
      const bool pooled = call.node->op == Op::kPooledMoments;
      if (pooled && !measured.insert({call.inputs[0].data, call.node->pool}).second) continue;
      total += static_cast<int64_t>(count(call, backward));
    }
    return total;
  }

  void start_backward() {
    if (plan_.wants_weights) clear(Arena::kWeightGradients);
    if (plan_.wants_alpha && !program_.rows_.empty()) {
      backend_.clear(program_.mixing_gradients_.as<void>(), program_.mixing_gradients_.bytes());
    }
    const int output = plan_.graph.output;
    written_[output] = true;
    if (planned(output).gradient >= 0) {
      upload_values(buffer(planned(output).gradient), request_.output_gradient, plan_.gradient_precision_of(output));
    }
  }

  void clear(Arena arena) const {
    if (parameters_.elements(arena) > 0) {
      backend_.clear(parameters_.data(arena), parameters_.elements(arena) * sizeof(float));
    }
  }

  // Marks the input's gradient as written, and says how the kernel writes it.
  GradientTarget gradient_target(const Node& n, const LoweredInput& input) {
    const PlannedNode& source = planned(input.id);
    if (!source.has_gradient) return {};
    const bool had_gradient = written_[input.id];
    written_[input.id] = true;
    const bool handed_on = source.shares_gradient && (n.op == Op::kAdd || n.op == Op::kCombine);
    if (handed_on) return {};
    return {buffer(source.gradient), had_gradient ? GradientMode::kAccumulate : GradientMode::kOverwrite,
            plan_.gradient_precision_of(input.id)};
  }

  void finish(PassResult& result) {
    if (plan_.wants_alpha && !program_.rows_.empty()) write_alpha_gradients();
    if (!plan_.wants_inputs) return;
    for (size_t original = 0; original < program_.graph_.nodes.size(); ++original) {
      const Node& input = program_.graph_.nodes[original];
      if (input.op != Op::kInput) continue;
      std::vector<float> values(program_.batch_ * input.shape.elements(), 0.0f);
      const int id = lowered(static_cast<int>(original));
      if (id >= 0 && written_[id]) {
        backend_.download(values.data(), buffer(planned(id).gradient), values.size() * sizeof(float));
      }
      result.input_gradients.emplace(static_cast<int>(original), std::move(values));
    }
  }

  // Where mixing weights were given there is no alpha to differentiate: the gradient is that of the mixing weights.
  void write_alpha_gradients() {
    clear(Arena::kAlphaGradients);
    float* target = parameters_.data(Arena::kAlphaGradients);
    const double* gradients = program_.mixing_gradients_.as<double>();
    backend_.sweeps().mixing_backward(backend_.stream(), program_.rows_.data(),
                                      static_cast<int64_t>(program_.rows_.size()), program_.mixing_.as<float>(),
                                      gradients, target);
    for (const GivenMixing& given : request_.mixing) {
      std::vector<double> exact(given.weights.size());
      backend_.download(exact.data(), gradients + given.offset, exact.size() * sizeof(double));
      const std::vector<float> rounded(exact.begin(), exact.end());
      backend_.upload(target + given.offset, rounded.data(), rounded.size() * sizeof(float));
    }
  }

  void read(int original, PassResult& result) const {
    const int id = lowered(original);
    result.outputs.emplace(original, download_values(buffer(planned(id).value), elements(id), plan_.precision_of(id)));
  }

  Program& program_;
  const Plan& plan_;
  const PassRequest& request_;
  const Parameters& parameters_;
  Backend& backend_;
  std::byte* arena_;
  std::vector<bool> needed_;   // by lowered node: something wants its value in this run
  std::vector<bool> written_;  // by lowered node: its output's gradient holds a value

  std::vector<float> given_;  // by place in the alpha arena: the given mixing weight, 1 where none was given
};

namespace {

// Of one tensor; keeps every sum of bytes far from overflow.
constexpr double kMaxBatchElements = 1099511627776.0;

std::vector<MixingRow> mixing_rows(const Graph& graph) {
  std::vector<MixingRow> rows;
  for (const Node& node : graph.nodes) {
    if (node.op != Op::kMixed) continue;
    const auto known = std::ranges::find(rows, node.alpha.offset, &MixingRow::offset);
    if (known == rows.end()) {
      rows.push_back({node.alpha.offset, node.alpha.size, node.activation == MixingActivation::kSigmoid});
    } else if (known->sigmoid != (node.activation == MixingActivation::kSigmoid)) {
      fail("mixed", "expected one activation for all mixed nodes that share a row");
    }
  }
  return rows;
}

}  // namespace

Program::Program(std::shared_ptr<Device> device, Graph graph, int64_t batch, bool fuse, Precision precision)
    : device_(std::move(device)), graph_(std::move(graph)), batch_(batch), fuse_(fuse), precision_(precision) {
  if (!device_->backend->computes_in(precision)) {
    fail("compile", "expected precision fp32 or bf16 but got tf32: it needs the tensor cores of an NVIDIA GPU");
  }
  if (batch < 1 || batch > 65536) fail("compile", "expected a batch size from 1 to 65536 but got ", batch);
  validate(graph_);
  for (const Node& node : graph_.nodes) {
    if (static_cast<double>(batch) * node.shape.elements() > kMaxBatchElements) {
      fail(op_name(node.op), "expected fewer than 2^40 elements in a batch: use a smaller batch");
    }
  }
  rows_ = mixing_rows(graph_);
  const std::shared_ptr<Backend>& backend = device_->backend;
  for (const Node& node : graph_.nodes) {
    if (node.op != Op::kSoftmaxCrossEntropy) continue;
    has_loss_ = true;
    label_limit_ = std::min(label_limit_, graph_.nodes[node.inputs[0]].shape.channels);
  }
  mixing_ = Buffer(backend, graph_.alpha_elements * sizeof(float));
  mixing_gradients_ = Buffer(backend, graph_.alpha_elements * sizeof(double));
  labels_ = Buffer(backend, 2 * batch * sizeof(int32_t));
}

const Plan& Program::plan(PassKind kind, bool fuse) {
  std::lock_guard lock(plan_mutex_);
  std::optional<Plan>& plan = plans_[2 * static_cast<int>(kind) + fuse];
  if (!plan) plan = make_plan(lower(graph_, fuse), batch_, kind, precision_, *device_->backend);
  return *plan;
}

// Nodes that fusion leaves without a value are read from an unfused pass.
const Plan& Program::plan_for(const PassRequest& request) {
  const auto has_all = [&](const Plan& plan) {
    return std::ranges::all_of(request.read, [&](int id) { return plan.graph.of_original[id] >= 0; });
  };
  if (fuse_ && has_all(plan(request.kind, true))) return plan(request.kind, true);
  if (!has_all(plan(request.kind, false)))
    fail("read", "expected nodes that are computed on the way to the graph's output");
  return plan(request.kind, false);
}

void Program::check(const Batch& batch) const {
  if (const auto* gathered = std::get_if<GatheredBatch>(&batch)) {
    check(*gathered);
  } else {
    check(std::get<DirectBatch>(batch));
  }
}

void Program::check(const GatheredBatch& batch) const {
  if (static_cast<int64_t>(batch.indices.size()) != batch_) {
    fail("batch", "expected ", batch_, " indices but got ", batch.indices.size());
  }
  for (uint32_t index : batch.indices) {
    if (index >= batch.dataset->count)
      fail("batch", "expected indices below ", batch.dataset->count, " but got ", index);
  }
  if (batch.dataset->classes > label_limit_) {
    fail("batch", "expected labels below ", label_limit_, " but the dataset has ", batch.dataset->classes - 1);
  }
  int inputs = 0;
  for (const Node& node : graph_.nodes) {
    if (node.op != Op::kInput) continue;
    ++inputs;
    if (!(node.shape == batch.dataset->shape)) fail("batch", "expected images of the input's shape");
  }
  if (inputs != 1) fail("batch", "expected a graph with one input but it has ", inputs);
}

void Program::check(const DirectBatch& batch) const {
  for (const auto& [id, values] : batch.inputs) {
    if (id < 0 || id >= static_cast<int>(graph_.nodes.size()) || graph_.nodes[id].op != Op::kInput) {
      fail("batch", "expected values for inputs of the graph but got some for node ", id);
    }
    const int64_t elements = batch_ * graph_.nodes[id].shape.elements();
    if (static_cast<int64_t>(values.size()) != elements) {
      fail("batch", "expected ", elements, " elements for input '", graph_.nodes[id].name, "' but got ", values.size());
    }
  }
  for (size_t id = 0; id < graph_.nodes.size(); ++id) {
    if (graph_.nodes[id].op == Op::kInput && !batch.inputs.contains(static_cast<int>(id))) {
      fail("batch", "expected input '", graph_.nodes[id].name, "'");
    }
  }
  // Without a loss nobody reads labels: any number may be given, and none are kept.
  if (!has_loss_) return;
  if (static_cast<int64_t>(batch.labels.size()) != batch_) {
    fail("batch", "expected ", batch_, " labels but got ", batch.labels.size());
  }
  for (int32_t label : batch.labels) {
    if (label < 0 || label >= label_limit_) fail("batch", "expected labels below ", label_limit_, " but got ", label);
  }
}

PassResult Program::run(const PassRequest& request, const Parameters& parameters, const std::atomic<bool>& cancelled) {
  const Plan& plan = plan_for(request);
  try {
    device_->arena(static_cast<size_t>(plan.arena_bytes));
  } catch (const OutOfMemory& error) {
    refuse_memory(plan, error);
  }
  return Executor(*this, plan, request, parameters).run(cancelled);
}

void Program::refuse_memory(const Plan& plan, const OutOfMemory& error) const {
  const auto mebibytes = [](int64_t bytes) { return (bytes + (1 << 20) - 1) >> 20; };
  // The largest batch whose plan fits, by bisection.
  int64_t fits = 0, fails = batch_;
  while (fails - fits > 1) {
    const int64_t batch = (fits + fails) / 2;
    const bool fused = &plan == &*plans_[2 * static_cast<int>(plan.kind) + 1];
    const Plan smaller = make_plan(lower(graph_, fused), batch, plan.kind, precision_, *device_->backend);
    (static_cast<size_t>(smaller.arena_bytes) <= error.free_bytes ? fits : fails) = batch;
  }
  std::ostringstream advice;
  if (fits > 0) {
    advice << "a batch of " << fits << " would fit";
  } else {
    advice << "not even a batch of 1 would fit";
  }
  throw OutOfMemory("this program needs " + std::to_string(mebibytes(plan.arena_bytes)) +
                        " MiB of working memory at batch " + std::to_string(batch_) + " but " +
                        std::to_string(error.free_bytes >> 20) + " MiB can be had: " + advice.str(),
                    error.free_bytes);
}

}  // namespace dartsmith
