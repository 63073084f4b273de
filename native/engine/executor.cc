#include "engine/executor.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

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
        samples_(program.samples(*request.batch)),
        whole_{0, samples_, 0, &backend_.stream()},
        needed_(plan.nodes.size(), false),
        written_(plan.nodes.size(), false),
        given_(program.graph_.alpha_elements, 1.0f),
        rows_(program.rows_) {}

  PassResult run(const std::atomic<bool>& cancelled) {
    if (!rows_.empty()) prepare_mixing();
    find_needed();
    if (const auto* gathered = std::get_if<GatheredBatch>(request_.batch)) {
      gather(*gathered);
    } else {
      upload(std::get<DirectBatch>(*request_.batch));
    }
    PassResult result;
    for (int id : request_.read) {
      const Node& read_node = program_.graph_.nodes[id];
      result.outputs[id].resize(static_cast<size_t>(samples_ * read_node.shape.elements()));
      if (read_node.op == Op::kInput) read(id, whole_, result);
    }
    if (plan_.slicing) run_slices(cancelled, result);
    bool backward_started = false;
    for (size_t time = 0; time < plan_.steps.size(); ++time) {
      const Step& step = plan_.steps[time];
      if (step.sliced) continue;
      if (cancelled.load(std::memory_order_relaxed)) throw Cancelled();
      mark_zones(static_cast<int>(time));
      if (step.backward && !backward_started) {
        backward_started = true;
        start_backward();
      }
      run(step, whole_, result, result.profile);
      check_zones(static_cast<int>(time));
    }
    if (!backward_started && plan_.kind != PassKind::kEvaluate) start_backward();  // no kernel between output and input
    finish(result);
    return result;
  }

 private:
  // Samples [first, first + count) of the batch, and who computes them.
  struct Slice {
    int64_t first, count;
    int worker;
    Stream* stream;
  };

  void run_slices(const std::atomic<bool>& cancelled, PassResult& result) {
    const int64_t samples = plan_.slicing->samples, count = (program_.batch_ + samples - 1) / samples;
    std::vector<std::vector<KernelProfile>> profiles(static_cast<size_t>(count));
    backend_.run_slices(count, [&](int64_t index, int worker, Stream& stream) {
      const int64_t first = index * samples;
      const Slice slice{first, std::min(samples, program_.batch_ - first), worker, &stream};
      for (const Step& step : plan_.steps) {
        if (!step.sliced) continue;
        if (cancelled.load(std::memory_order_relaxed)) throw Cancelled();
        run(step, slice, result, profiles[index]);
      }
    });
    join(profiles, result.profile);
  }

  // Sums over slices, whose kernels ran beside those of other slices.
  void join(const std::vector<std::vector<KernelProfile>>& slices, std::vector<KernelProfile>& profile) const {
    const int64_t beside = std::min<int64_t>(plan_.slicing->workers, static_cast<int64_t>(slices.size()));
    for (size_t kernel = 0; kernel < slices.front().size(); ++kernel) {
      KernelProfile& total = profile.emplace_back(slices.front()[kernel]);
      for (size_t slice = 1; slice < slices.size(); ++slice) total += slices[slice][kernel];
      total.seconds /= static_cast<double>(beside);
    }
  }

  void run(const Step& step, const Slice& slice, PassResult& result, std::vector<KernelProfile>& profile) {
    std::vector<Call> calls;
    std::vector<int> ids;
    for (const StepNode& node : step.nodes) {
      // A node whose output's gradient nobody wrote has a zero gradient: nothing flows through it. That of a loss is
      // known.
      const bool flows = written_[node.id] || step.both;
      if (!needed_[node.id] || (step.backward && !flows)) continue;
      ids.push_back(node.id);
      if (step.computes()) place_masks(node.id);
      calls.push_back(call(node, step, slice));
    }
    if (calls.empty()) return;
    if (request_.profile) {
      const double seconds = backend_.seconds_of([&] { launch(step, calls, *slice.stream); });
      profile.push_back(count_work(plan_, ids, step.backward, slice.count));
      profile.back().seconds = seconds;
      profile.back().workspace_bytes = workspace_bytes(step, ids, calls);
    } else {
      launch(step, calls, *slice.stream);
    }
    if (!step.computes()) return;
    for (int id : ids) hand_state_on(id);
    read_outputs(step, slice, result);
  }

  const BatchBase& batch() const {
    return std::visit([](const BatchBase& base) -> const BatchBase& { return base; }, *request_.batch);
  }

  bool drops() const { return batch().dropout.active != 0 && batch().dropout.drops != 0; }

  // Masks of a node as they are given, or drawn.
  void place_masks(int id) const {
    const MaskPlans masks = descriptor_of(node(id).op).masks(node(id));
    for (size_t k = 0; k < masks.size(); ++k) {
      const int index = planned(id).masks[k];
      if (index < 0) continue;
      const auto given = batch().masks.find(masks[k].attributes.number);
      if (given != batch().masks.end()) {
        backend_.upload(buffer(index), given->second.data(), given->second.size() * sizeof(float));
      } else if (drops()) {
        backend_.sweeps().draw_mask(backend_.stream(), buffer(index), masks[k].elements(program_.columns_),
                                    masks[k].attributes, request_.addresses.dropout);
      }
    }
  }

  // Behind forward; backward finds the first state in what forward saved.
  void hand_state_on(int id) const {
    const auto* direct = std::get_if<DirectBatch>(request_.batch);
    if (node(id).op != Op::kRecurrentCell || direct == nullptr || !direct->hidden_to) return;
    const int64_t size = direct->hidden_to.size;
    const Tensor value = tensor(id, whole_);
    const float* last = value.data + samples_ * value.channels - size;
    backend_.copy(parameters_.data(Arena::kStates) + direct->hidden_to.offset, last, size * sizeof(float));
  }

  SequenceCall sequence_call(int id, bool backward) const {
    SequenceCall call{.columns = program_.columns_};
    const MaskPlans masks = descriptor_of(node(id).op).masks(node(id));
    for (size_t k = 0; k < masks.size(); ++k) {
      const bool some = planned(id).masks[k] >= 0 && (drops() || batch().masks.contains(masks[k].attributes.number));
      if (some) call.masks[k] = buffer(planned(id).masks[k]);
    }
    if (node(id).op != Op::kRecurrentCell) return call;
    const auto* direct = std::get_if<DirectBatch>(request_.batch);
    if (direct != nullptr && direct->hidden_from) {
      call.hidden = parameters_.data(Arena::kStates) + direct->hidden_from.offset;
    }
    if (!node(id).alpha) return call;
    call.mixing = program_.mixing_.as<float>() + node(id).alpha.offset;
    if (backward && plan_.wants.alpha) {
      call.mixing_gradient = program_.mixing_gradients_.as<double>() + node(id).alpha.offset;
    }
    return call;
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

  void read_outputs(const Step& step, const Slice& slice, PassResult& result) const {
    for (const StepNode& node : step.nodes) {
      for (int id : request_.read) {
        if (lowered(id) == node.id) read(id, slice, result);
      }
    }
  }

  const LoweredNode& lowered_node(int id) const { return plan_.graph.nodes[id]; }
  const Node& node(int id) const { return plan_.graph.nodes[id].node; }
  int lowered(int original) const { return plan_.graph.of_original[original]; }
  const PlannedNode& planned(int id) const { return plan_.nodes[id]; }

  template <typename T = float>
  T* buffer(int index, int worker = 0) const {
    if (index < 0) return nullptr;
    std::byte* region = plan_.sliced[index] ? arena_ + plan_.batch_bytes + worker * plan_.slice_bytes : arena_;
    return reinterpret_cast<T*>(region + plan_.offsets[index]);
  }

  // A slice of a node's value, as forward left it or `later` steps see it.
  Tensor tensor(int id, const Slice& slice, bool later = false) const {
    const Shape& shape = node(id).shape;
    const int value = later && planned(id).recomputed >= 0 ? planned(id).recomputed : planned(id).value;
    std::byte* data = buffer<std::byte>(value, slice.worker);
    if (!plan_.sliced[value]) data += slice.first * plan_.value_bytes(id);
    return {reinterpret_cast<float*>(data), slice.count, shape.height, shape.width, shape.channels,
            plan_.precision_of(id)};
  }

  void upload_values(float* target, const std::vector<float>& values, Precision precision) const {
    if (precision != Precision::kBf16) return backend_.upload(target, values.data(), values.size() * sizeof(float));
    std::vector<Bfloat16> halves(values.size());
    std::ranges::transform(values, halves.begin(), to_bfloat16);
    backend_.upload(target, halves.data(), halves.size() * sizeof(Bfloat16));
  }

  void download_values(float* target, const float* source, size_t count, Precision precision) const {
    if (precision != Precision::kBf16) return backend_.download(target, source, count * sizeof(float));
    std::vector<Bfloat16> halves(count);
    backend_.download(halves.data(), source, count * sizeof(Bfloat16));
    std::ranges::transform(halves, target, from_bfloat16);
  }

  void prepare_mixing() {
    float* mixing = program_.mixing_.as<float>();
    for (const auto& [given, address] : request_.mixing) {
      backend_.copy(mixing + given->offset, address, given->weights.size() * sizeof(float));
      std::ranges::copy(given->weights, given_.begin() + given->offset);
      const auto row = std::ranges::find(rows_, given->offset, &MixingRow::offset);
      if (row != rows_.end()) row->form = MixingForm::kGiven;
    }
    backend_.sweeps().mixing_forward(backend_.stream(), rows_.data(), static_cast<int64_t>(rows_.size()),
                                     parameters_.data(Arena::kAlpha), mixing);
  }

  void gather(const GatheredBatch& batch) {
    for (const auto& [id, values] : batch.inputs) {
      backend_.upload(buffer(planned(lowered(id)).value), values.data(), values.size() * sizeof(float));
    }
    const Shape& shape = batch.dataset->shape;
    backend_.sweeps().gather(backend_.stream(), {.images = batch.dataset->images.as<uint8_t>(),
                                                 .all_labels = batch.dataset->labels.as<int32_t>(),
                                                 .indices = request_.addresses.indices,
                                                 .output = buffer(planned(image_node(batch)).value),
                                                 .labels = program_.labels_.as<int32_t>(),
                                                 .batch = program_.batch_,
                                                 .height = shape.height,
                                                 .width = shape.width,
                                                 .channels = shape.channels,
                                                 .table = request_.addresses.table,
                                                 .settings = request_.addresses.settings});
  }

  // The only input that is not given.
  int image_node(const GatheredBatch& batch) const {
    for (size_t id = 0; id < program_.graph_.nodes.size(); ++id) {
      const int original = static_cast<int>(id);
      if (program_.graph_.nodes[id].op == Op::kInput && !batch.inputs.contains(original)) return lowered(original);
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
    if (program_.reads_labels_) {
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
  bool counts(const LoweredInput& input) const {
    return input.mixing < 0 || input.always || given_[input.mixing] != 0.0f;
  }

  // The gradient of a weight that is added to what other nodes have left of it.
  struct AddedGradient {
    ParameterPlace place;
    const float* values;
  };

  // A call and what it points to.
  struct Call : KernelCall {
    std::vector<Tensor> tensors;
    std::vector<InputLink> input_links;
    std::vector<GradientTarget> targets;
    std::optional<NormCall> own_norm;
    std::optional<LossCall> own_loss;
    std::optional<SequenceCall> own_sequence;
    std::vector<AddedGradient> added;
  };

  NormCall norm_call(const Node& n, const BatchNormAttributes& norm, bool again) const {
    float* buffers = parameters_.data(Arena::kBuffers);
    const Statistics statistics = again ? Statistics::kKept : request_.statistics;
    return {statistics, norm, buffers + n.running_mean.offset, buffers + n.running_variance.offset};
  }

  // The results of a sum's terms lie behind its own.
  LossCall loss_call(int id) const {
    const GatherSettings* settings = request_.addresses.settings;
    LossCall call{program_.labels_.as<int32_t>(), settings == nullptr ? nullptr : &settings->share, request_.loss};
    const LoweredNode& output = lowered_node(plan_.graph.output);
    const auto* sum = std::get_if<LossSumAttributes>(&output.node.attributes);
    if (sum == nullptr) return call;
    if (id == plan_.graph.output) {
      call.terms = request_.loss + 1;
      return call;
    }
    const auto term = std::ranges::find(output.inputs, id, &LoweredInput::id) - output.inputs.begin();
    call.weight = sum->weights[term];
    call.result = request_.loss + 1 + term;
    return call;
  }

  // `gradients`: in backward, where those of the affine part go.
  InputLink link(const LoweredInput& input, const PairOfGradients* gradients, int worker, Call& call) const {
    InputLink link;
    const bool backward = gradients != nullptr;
    const auto* measured = std::get_if<PooledMomentsAttributes>(&node(input.id).attributes);
    if (measured != nullptr) link.pool = &measured->pool;
    link.dropout = dropout(input.dropout);
    link.activated = input.activated;
    if (input.normalised) link.statistics = buffer(planned(input.id).saved, worker);
    if (node(input.id).scale) add_affine(node(input.id), gradients, link, call);
    if (input.normalised && backward) link.gradient_map = buffer(planned(input.id).gradient_map);
    if (input.mixing >= 0) link.mixing = program_.mixing_.as<float>() + input.mixing;
    if (input.mixing >= 0 && backward && plan_.wants.alpha) {
      link.mixing_gradient = program_.mixing_gradients_.as<double>() + input.mixing;
    }
    return link;
  }

  const DropoutAttributes* dropout(int original) const {
    return original < 0 ? nullptr : &program_.graph_.nodes[original].own<DropoutAttributes>();
  }

  void add_affine(const Node& norm, const PairOfGradients* gradients, InputLink& link, Call& call) const {
    link.scale = parameters_.data(Arena::kWeights) + norm.scale.offset;
    link.shift = parameters_.data(Arena::kWeights) + norm.shift.offset;
    if (gradients == nullptr || !plan_.wants_weights(norm)) return;
    link.scale_gradient = gradient_of(norm.scale, gradients->first, call);
    link.shift_gradient = gradient_of(norm.shift, gradients->second, call);
  }

  Call call(const StepNode& step_node, const Step& step, const Slice& slice) {
    const int id = step_node.id;
    const bool backward = step.backward, later = backward || step.recomputes;
    const Node& n = node(id);
    Call call;
    // Inputs of weight 0 are left out: they were not computed.
    const std::vector<LoweredInput>& inputs = lowered_node(id).inputs;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const LoweredInput& input = inputs[i];
      if (!counts(input)) continue;
      call.tensors.push_back(tensor(input.id, slice, later));
      call.input_links.push_back(link(input, backward ? &step_node.norms[i] : nullptr, slice.worker, call));
      if (backward) call.targets.push_back(gradient_target(input));
    }
    call.attributes = attributes_address(n);
    call.input_count = static_cast<int>(call.tensors.size());
    call.output = tensor(id, slice, later);
    call.saved = buffer(planned(id).saved, slice.worker);
    call.workspace = buffer<void>(step_node.workspace, slice.worker);
    if (n.weight) call.weight = parameters_.data(Arena::kWeights) + n.weight.offset;
    if (n.bias) call.bias = parameters_.data(Arena::kWeights) + n.bias.offset;
    if (const BatchNormAttributes* norm = descriptor_of(n.op).norm(n)) {
      call.own_norm = norm_call(n, *norm, step.recomputes);
    }
    if (descriptor_of(n.op).is_loss) call.own_loss = loss_call(id);
    call.own_sequence = sequence_call(id, backward);
    call.dropout = request_.addresses.dropout;
    call.precision = plan_.precision;
    if (!backward) return call;
    call.output_gradient = buffer(planned(id).gradient);
    call.gradient_precision = plan_.gradient_precision_of(id);
    call.output_gradient_map = buffer(planned(id).gradient_map);
    call.output_dropout = dropout(planned(id).dropout);
    call.fixed_statistics = request_.statistics == Statistics::kRunning;
    if (!plan_.wants_weights(n)) return call;
    if (n.weight) call.weight_gradient = gradient_of(n.weight, step_node.own.first, call);
    if (n.bias) call.bias_gradient = gradient_of(n.bias, step_node.own.second, call);
    return call;
  }

  // Where the gradient of a weight goes: in its place, or apart, to be added to what is there (PairOfGradients). One
  // that comes with a wanted one goes where nobody looks.
  float* gradient_of(const ParameterPlace& place, int apart, Call& call) const {
    if (apart >= 0) {
      auto* values = buffer(apart);
      if (plan_.wants_weight(place)) call.added.push_back({place, values});
      return values;
    }
    float* arena =
        plan_.wants_weight(place) ? parameters_.data(Arena::kWeightGradients) : parameters_.scratch(Scratch::kUnwanted);
    return arena + place.offset;
  }

  void launch(const Step& step, std::vector<Call>& calls, Stream& stream) const {
    std::vector<KernelCall> launched;
    for (Call& call : calls) {
      call.inputs = call.tensors.data();
      call.links = call.input_links.data();
      call.input_gradients = call.targets.data();
      if (call.own_norm) call.norm = &*call.own_norm;
      if (call.own_loss) call.loss = &*call.own_loss;
      if (call.own_sequence) call.sequence = &*call.own_sequence;
      launched.push_back(call);
    }
    const OpKernels& kernels = backend_.kernels(node(step.nodes.front().id).op);
    if (const auto group = step.backward ? kernels.backward_group : kernels.forward_group) {
      group(stream, launched.data(), static_cast<int>(launched.size()));
    } else {
      const auto single = step.backward ? kernels.backward : kernels.forward;
      for (const KernelCall& call : launched) single(stream, call);
    }
    for (const Call& call : calls) {
      for (const auto& [place, values] : call.added) {
        float* gradients = parameters_.data(Arena::kWeightGradients) + place.offset;
        backend_.sweeps().accumulate(stream, gradients, values, place.size);
      }
    }
  }

  // Of a step; nodes that measure one pooling share the first one's.
  int64_t workspace_bytes(const Step& step, const std::vector<int>& ids, const std::vector<Call>& calls) const {
    const auto count = backend_.kernels(node(step.nodes.front().id).op).workspace_bytes;
    if (count == nullptr) return 0;
    std::set<std::pair<const float*, int>> measured;
    int64_t total = 0;
    for (size_t i = 0; i < calls.size(); ++i) {
      const int pooling = measured_pooling(node(ids[i]));
      if (pooling != 0 && !measured.insert({calls[i].inputs[0].data, pooling}).second) continue;
      total += static_cast<int64_t>(count(calls[i], step.backward));
    }
    return total;
  }

  void start_backward() {
    if (plan_.wants.weights && plan_.ranges.empty()) clear(Arena::kWeightGradients);
    for (const auto& [offset, count] : plan_.ranges) {
      backend_.clear(parameters_.data(Arena::kWeightGradients) + offset, count * sizeof(float));
    }
    if (plan_.wants.alpha && !rows_.empty()) {
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
  GradientTarget gradient_target(const LoweredInput& input) {
    const PlannedNode& source = planned(input.id);
    if (!source.has_gradient) return {};
    const bool had_gradient = written_[input.id];
    written_[input.id] = true;
    if (source.shares_gradient) return {};
    return {buffer(source.gradient), had_gradient ? GradientMode::kAccumulate : GradientMode::kOverwrite,
            plan_.gradient_precision_of(input.id)};
  }

  void finish(PassResult& result) {
    if (plan_.wants.alpha) write_alpha_gradients();
    if (!plan_.wants_inputs) return;
    for (size_t original = 0; original < program_.graph_.nodes.size(); ++original) {
      const Node& input = program_.graph_.nodes[original];
      if (input.op != Op::kInput) continue;
      std::vector<float> values(samples_ * input.shape.elements(), 0.0f);
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
    if (rows_.empty()) return;
    backend_.sweeps().mixing_backward(backend_.stream(), rows_.data(), static_cast<int64_t>(rows_.size()),
                                      program_.mixing_.as<float>(), program_.mixing_gradients_.as<double>(),
                                      parameters_.data(Arena::kAlphaGradients));
  }

  void read(int original, const Slice& slice, PassResult& result) const {
    const Tensor value = tensor(lowered(original), slice);
    const int64_t elements = value.height * value.width * value.channels;
    std::vector<float>& output = result.outputs.at(original);
    download_values(output.data() + slice.first * elements, value.data, static_cast<size_t>(slice.count * elements),
                    value.precision);
  }

  Program& program_;
  const Plan& plan_;
  const PassRequest& request_;
  const Parameters& parameters_;
  Backend& backend_;
  std::byte* arena_;
  const int64_t samples_;  // of the pass: fewer than the program has room for where a sequence is shorter
  const Slice whole_;
  std::vector<bool> needed_;   // by lowered node: something wants its value in this run
  std::vector<bool> written_;  // by lowered node: its output's gradient holds a value

  std::vector<float> given_;     // by place in the alpha arena: the given mixing weight, 1 where none was given
  std::vector<MixingRow> rows_;  // the program's, those that are given marked
};

PassResult execute(Program& program, const Plan& plan, const PassRequest& request, const Parameters& parameters,
                   const std::atomic<bool>& cancelled) {
  return Executor(program, plan, request, parameters).run(cancelled);
}

}  // namespace dartsmith
