#include "engine/plan.h"

#include <algorithm>
#include <set>

namespace dartsmith {
namespace {

class Planner {
 public:
  Planner(Lowered graph, BatchSizes batch, PassKind kind, Precision precision, const Backend& backend,
          std::vector<WeightRange> ranges, std::optional<Slicing> slicing, Recompute recompute)
      : batch_(batch.samples),
        columns_(batch.columns),
        backend_(backend),
        recompute_(recompute),
        consumers_(graph.nodes.size()) {
    plan_.slicing = slicing;
    plan_.kind = kind;
    plan_.precision = precision;
    plan_.halves_images = backend.halves_images();
    plan_.wants.weights = kind == PassKind::kWeights || kind == PassKind::kBoth || kind == PassKind::kVjp;
    plan_.wants.alpha = kind == PassKind::kAlpha || kind == PassKind::kBoth || kind == PassKind::kVjp;
    plan_.wants_inputs = kind == PassKind::kVjp;
    plan_.ranges = std::move(ranges);
    plan_.nodes.resize(graph.nodes.size());
    plan_.graph = std::move(graph);
    for (int id = 0; id < count(); ++id) {
      for (const LoweredInput& input : inputs(id)) consumers_[input.id].push_back(id);
    }
  }

  Plan make() {
    find_gradients();
    list_steps();
    assign_values();
    assign_masks();
    assign_gradients();
    assign_weight_gradients();
    assign_workspaces();
    place();
    return std::move(plan_);
  }

 private:
  int count() const { return static_cast<int>(plan_.nodes.size()); }
  const Node& node(int id) const { return plan_.graph.nodes[id].node; }
  Op op(int id) const { return node(id).op; }
  const OpDescriptor& descriptor(int id) const { return descriptor_of(op(id)); }
  const std::vector<LoweredInput>& inputs(int id) const { return plan_.graph.nodes[id].inputs; }
  PlannedNode& planned(int id) { return plan_.nodes[id]; }

  bool wants_weights(int id) const { return plan_.wants_weights(node(id)); }

  // Whether a node computes a slice of samples at a time: the loss is a mean over the batch.
  bool sliced(int id) const { return plan_.slicing && !descriptor(id).is_loss; }

  // Whether its value is that of a slice: inputs are there from the start, and the loss reads the batch.
  bool slices_value(int id) const {
    return sliced(id) && op(id) != Op::kInput &&
           std::ranges::all_of(consumers_[id], [&](int consumer) { return sliced(consumer); });
  }

  int64_t samples(bool a_slice) const { return a_slice ? plan_.slicing->samples : batch_; }

  bool has_wanted_parameter(int id) const {
    if (wants_weights(id)) return true;
    const auto mixes = [](const LoweredInput& input) { return input.mixing >= 0; };
    if (plan_.wants.alpha && std::ranges::any_of(inputs(id), mixes)) return true;
    if (plan_.wants.alpha && node(id).alpha) return true;
    return plan_.wants_inputs && op(id) == Op::kInput && node(id).own<InputAttributes>().below == 0;
  }

  void find_gradients() {
    if (plan_.kind == PassKind::kEvaluate) return;
    for (int id = 0; id < count(); ++id) {
      if (descriptor(id).detaches) continue;
      planned(id).has_gradient =
          has_wanted_parameter(id) ||
          std::ranges::any_of(inputs(id), [&](const LoweredInput& input) { return planned(input.id).has_gradient; });
    }
    // Behind a node that detaches nothing flows back.
    std::vector<bool> reached(count(), false);
    reached[plan_.graph.output] = true;
    for (int id = count() - 1; id >= 0; --id) {
      planned(id).has_gradient = planned(id).has_gradient && reached[id];
      if (!planned(id).has_gradient) continue;
      for (const LoweredInput& input : inputs(id)) reached[input.id] = true;
    }
  }

  void list_steps() {
    forward_time_.assign(count(), -1);
    recompute_time_.assign(count(), -1);
    backward_time_.assign(count(), -1);
    const std::vector<std::vector<int>> groups = groups_inputs() ? schedule() : neighbours();
    for (const std::vector<int>& group : groups) {
      if (!does_both(group.front())) {
        add_step(group, false, forward_time_);
        continue;
      }
      add_step(group, true, forward_time_);
      plan_.steps.back().both = true;
      for (int id : group) backward_time_[id] = forward_time_[id];
    }
    forward_steps_ = static_cast<int>(plan_.steps.size());
    for (auto group = groups.rbegin(); group != groups.rend(); ++group) {
      add_recomputed(*group);
      add_backward(*group);
    }
    end_time_ = static_cast<int>(plan_.steps.size());
  }

  // Whether its backward runs in the place of its forward.
  bool does_both(int id) const { return descriptor(id).backward_does_both && plan_.nodes[id].has_gradient; }

  void add_step(const std::vector<int>& ids, bool backward, std::vector<int>& times) {
    plan_.steps.push_back({{}, backward, sliced(ids.front())});
    for (int id : ids) {
      plan_.steps.back().nodes.push_back({id});
      times[id] = static_cast<int>(plan_.steps.size()) - 1;
    }
  }

  // Whether only sums read the value, whose backward computes it again.
  bool recomputes(int id) const {
    if (recompute_ == Recompute::kNone || !descriptor(id).recomputable) return false;
    if (recompute_ == Recompute::kSingle && inputs(id)[0].normalised) return false;
    return std::ranges::all_of(consumers_[id], [&](int consumer) {
      return op(consumer) == Op::kCombine && plan_.nodes[consumer].has_gradient;
    });
  }

  // What the backward of a group is the first to need once more.
  void add_recomputed(const std::vector<int>& group) {
    std::set<int> needed;
    for (int reader : group) {
      if (!planned(reader).has_gradient) continue;
      for (const LoweredInput& input : inputs(reader)) {
        if (recomputes(input.id) && recompute_time_[input.id] < 0) needed.insert(input.id);
      }
    }
    std::vector<std::vector<int>> steps;
    for (int id : needed) {
      const auto takes = [&](const std::vector<int>& step) {
        return kernels(id).groups_inputs ? op(step.front()) == op(id) : grouped(step.front(), id);
      };
      const auto step = std::ranges::find_if(steps, takes);
      (step == steps.end() ? steps.emplace_back() : *step).push_back(id);
    }
    for (const std::vector<int>& step : steps) {
      add_step(step, false, recompute_time_);
      plan_.steps.back().recomputes = true;
    }
  }

  // From the last to the first; a kernel that cannot sum the gradient of an input gets no two that read it.
  void add_backward(const std::vector<int>& group) {
    std::vector<int> together;
    std::set<int> read;
    const auto add = [&] {
      if (!together.empty()) add_step(together, true, backward_time_);
      together.clear();
      read.clear();
    };
    for (auto member = group.rbegin(); member != group.rend(); ++member) {
      const int id = *member;
      if (!planned(id).has_gradient || does_both(id)) continue;
      const bool apart = groups_inputs() && !kernels(id).sums_inputs;
      const auto shares = [&](const LoweredInput& input) { return read.contains(input.id); };
      if (apart && std::ranges::any_of(inputs(id), shares)) add();
      together.push_back(id);
      for (const LoweredInput& input : inputs(id)) read.insert(input.id);
    }
    add();
  }

  const OpKernels& kernels(int id) const { return backend_.kernels(op(id)); }

  // Whether the backend would rather run many nodes at once than few whose data is in a cache.
  bool groups_inputs() const {
    return std::ranges::any_of(
        plan_.graph.nodes, [&](const LoweredNode& lowered) { return backend_.kernels(lowered.node.op).groups_inputs; });
  }

  // Nodes in their own order; lowering leaves those that make a group side by side.
  std::vector<std::vector<int>> neighbours() const {
    std::vector<std::vector<int>> groups;
    for (int id = 0; id < count(); ++id) {
      if (op(id) == Op::kInput) continue;
      if (groups.empty() || !grouped(groups.back().front(), id) || follows(id, groups.back())) groups.emplace_back();
      groups.back().push_back(id);
    }
    return groups;
  }

  // Whether it moves running statistics that one of the group moves before it.
  bool follows(int id, const std::vector<int>& group) const {
    return std::ranges::find(group, plan_.graph.nodes[id].after) != group.end();
  }

  // Rounds of nodes that do not depend on each other: the most urgent one, by what is left to do behind it, and with it
  // all of its kind that are as urgent or read what it reads.
  std::vector<std::vector<int>> schedule() const {
    std::vector<int> urgency(count(), 0);
    for (int id = count() - 1; id >= 0; --id) {
      for (int consumer : consumers_[id]) urgency[id] = std::max(urgency[id], urgency[consumer] + 1);
      const int before = plan_.graph.nodes[id].after;
      if (before >= 0) urgency[before] = std::max(urgency[before], urgency[id] + 1);
    }
    std::vector<bool> done(count(), false);
    for (int id = 0; id < count(); ++id) done[id] = op(id) == Op::kInput;
    std::vector<std::vector<int>> rounds;
    for (;;) {
      std::vector<int> ready;
      for (int id = 0; id < count(); ++id) {
        const auto known = [&](const LoweredInput& input) { return done[input.id]; };
        const int before = plan_.graph.nodes[id].after;
        const bool waits = before >= 0 && !done[before];
        if (!done[id] && !waits && std::ranges::all_of(inputs(id), known)) ready.push_back(id);
      }
      if (ready.empty()) return rounds;
      const int lead = *std::ranges::max_element(ready, {}, [&](int id) { return urgency[id]; });
      std::vector<int>& round = rounds.emplace_back();
      for (int id : ready) {
        const bool joins = kernels(lead).groups_inputs && op(id) == op(lead) &&
                           wants_weights(id) == wants_weights(lead) &&
                           (urgency[id] == urgency[lead] || grouped(lead, id) ||
                            std::ranges::any_of(round, [&](int member) { return grouped(member, id); }));
        if (id == lead || joins) round.push_back(id);
      }
      for (int id : round) done[id] = true;
    }
  }

  bool grouped(int a, int b) const {
    if (op(a) != op(b) || wants_weights(a) != wants_weights(b)) return false;
    const LoweredNode &one = plan_.graph.nodes[a], &other = plan_.graph.nodes[b];
    return descriptor(a).joins(one, other) || (kernels(a).groups_poolings && same_plain_input(one, other));
  }

  bool backward_reads_input(int id, const LoweredInput& input) const {
    const WantedGradients wanted{wants_weights(id), plan_.wants.alpha};
    return backward_time_[id] >= 0 && descriptor(id).backward_reads_input(node(id), input, wanted);
  }

  // The last time that forward reads the node's value.
  int last_forward_use(int id) const {
    int last = forward_time_[id];
    for (int consumer : consumers_[id]) last = std::max(last, forward_time_[consumer]);
    return last;
  }

  // The last time that anything reads the node's value; the value of moments is their input's.
  int last_value_use(int id) const {
    int last = forward_time_[id];
    for (int consumer : consumers_[id]) {
      last = std::max({last, forward_time_[consumer], recompute_time_[consumer]});
      if (descriptor(consumer).borrows_value) last = std::max(last, last_value_use(consumer));
      for (const LoweredInput& input : inputs(consumer)) {
        if (input.id == id && backward_reads_input(consumer, input)) last = std::max(last, backward_time_[consumer]);
      }
    }
    if (descriptor(id).backward_reads_output(node(id))) last = std::max(last, backward_time_[id]);
    return last;
  }

  int new_buffer(int64_t bytes, int first, int last, bool a_slice) {
    lifetimes_.push_back({bytes, first, last});
    plan_.sliced.push_back(a_slice);
    return static_cast<int>(lifetimes_.size()) - 1;
  }
  int new_buffer(int64_t bytes, int first, int last) { return new_buffer(bytes, first, last, false); }

  void extend(int buffer, int last) { lifetimes_[buffer].last = std::max(lifetimes_[buffer].last, last); }

  int64_t saved_elements(int id) const {
    const Shape none{0, 0, 0};
    const Shape& input = inputs(id).empty() ? none : node(inputs(id)[0].id).shape;
    return descriptor(id).saved_elements({node(id), input, static_cast<int64_t>(inputs(id).size()), batch_, columns_});
  }

  void assign_values() {
    for (int id = 0; id < count(); ++id) {
      if (const int64_t saved = saved_elements(id); saved > 0) {
        const int last = std::max(backward_time_[id], last_value_use(id));
        planned(id).saved =
            new_buffer(saved * static_cast<int64_t>(sizeof(float)), forward_time_[id], last, sliced(id));
      }
      const int source = inputs(id).empty() ? -1 : inputs(id)[0].id;
      const bool in_place = descriptor(id).overwrites_input(node(id)) && op(source) != Op::kInput &&
                            slices_value(source) == slices_value(id) && last_value_use(source) == forward_time_[id] &&
                            std::ranges::count(consumers_[source], forward_time_[id],
                                               [&](int reader) { return forward_time_[reader]; }) == 1;
      if (in_place || descriptor(id).borrows_value) {
        planned(id).value = planned(source).value;
        extend(planned(id).value, last_value_use(id));
      } else {
        const bool recomputed = recompute_time_[id] >= 0;
        const int last = recomputed ? last_forward_use(id) : last_value_use(id);
        planned(id).value = new_buffer(samples(slices_value(id)) * plan_.value_bytes(id),
                                       std::max(0, forward_time_[id]), std::max(0, last), slices_value(id));
        if (!recomputed) continue;
        planned(id).recomputed = new_buffer(batch_ * plan_.value_bytes(id), recompute_time_[id], last_value_use(id));
      }
    }
  }

  void assign_masks() {
    for (int id = 0; id < count(); ++id) {
      const MaskPlans masks = descriptor(id).masks(node(id));
      for (size_t k = 0; k < masks.size(); ++k) {
        if (forward_time_[id] < 0 || masks[k].attributes.rate == 0) continue;
        const int64_t bytes = masks[k].elements(columns_) * static_cast<int64_t>(sizeof(float));
        const int last = std::max(forward_time_[id], backward_time_[id]);
        planned(id).masks[k] = new_buffer(bytes, forward_time_[id], last, sliced(id));
      }
    }
  }

  // From the output back: the gradient of a sum is that of its terms, and elementwise backward kernels may work in
  // place, as long as nobody else looks at the buffer.
  void assign_gradients() {
    std::vector<bool> shared;
    for (int id = count() - 1; id >= 0; --id) {
      if (!planned(id).has_gradient) continue;
      const int own_time = backward_time_[id] >= 0 ? backward_time_[id] : end_time_;
      if (planned(id).gradient >= 0) {
        extend(planned(id).gradient, own_time);
      } else if (!descriptor(id).is_loss) {
        planned(id).gradient = new_buffer(batch_ * plan_.gradient_bytes(id), first_gradient_time(id), own_time);
      }
      shared.resize(lifetimes_.size(), false);
      if (backward_time_[id] < 0) continue;
      for (const LoweredInput& input : inputs(id)) hand_on_gradient(id, input, shared);
    }
  }

  void hand_on_gradient(int id, const LoweredInput& input, std::vector<bool>& shared) {
    PlannedNode& source = planned(input.id);
    if (!source.has_gradient) return;
    if (input.normalised) {
      const int64_t bytes = 3 * node(input.id).shape.channels * static_cast<int64_t>(sizeof(float));
      source.gradient_map = new_buffer(bytes, backward_time_[id], backward_time_[input.id]);
      source.dropout = input.dropout;
      shared.resize(lifetimes_.size(), false);
    }
    const int gradient = planned(id).gradient;
    // A graph input's gradient must outlive the pass.
    const bool takes = op(input.id) != Op::kInput && consumers_[input.id].size() == 1 &&
                       plan_.gradient_precision_of(input.id) == plan_.gradient_precision_of(id);
    const InputGradient where = descriptor(id).input_gradient(input);
    const bool share = where == InputGradient::kOutputs;
    const bool in_place = where == InputGradient::kInPlace && gradient >= 0 && !shared[gradient];
    if (gradient < 0 || !takes || !(share || in_place)) return;
    source.gradient = gradient;
    source.shares_gradient = share;
    if (share) shared[gradient] = true;
  }

  int first_gradient_time(int id) const {
    // The output's gradient is given before the first backward step.
    int first = id == plan_.graph.output ? forward_steps_ : end_time_;
    for (int consumer : consumers_[id]) {
      if (backward_time_[consumer] >= 0) first = std::min(first, backward_time_[consumer]);
    }
    return first;
  }

  // The first node to run backward of those that use a weight leaves its gradient in place, the others theirs apart.
  void assign_weight_gradients() {
    std::set<int64_t> written;  // by place in the arena of weights
    for (int time = 0; time < end_time_; ++time) {
      if (!plan_.steps[time].backward) continue;
      const auto where = [&](const ParameterPlace& place) {
        if (!place || written.insert(place.offset).second) return -1;
        return new_buffer(place.size * static_cast<int64_t>(sizeof(float)), time, time);
      };
      const auto both = [&](bool wanted, const ParameterPlace& first, const ParameterPlace& second) {
        if (!wanted) return PairOfGradients{};
        const int of_first = where(first);
        return PairOfGradients{of_first, where(second)};
      };
      for (StepNode& step_node : plan_.steps[time].nodes) {
        const Node& own = node(step_node.id);
        step_node.own = both(plan_.wants_weights(own), own.weight, own.bias);
        for (const LoweredInput& input : inputs(step_node.id)) {
          const Node& norm = node(input.id);
          step_node.norms.push_back(both(plan_.wants_weights(norm), norm.scale, norm.shift));
        }
      }
    }
  }

  void assign_workspaces() {
    for (int time = 0; time < end_time_; ++time) {
      const bool backward = plan_.steps[time].backward;
      for (StepNode& step_node : plan_.steps[time].nodes) {
        const auto bytes = workspace_bytes(step_node.id, backward);
        if (bytes > 0) step_node.workspace = new_buffer(bytes, time, time, plan_.steps[time].sliced);
      }
    }
  }

  int64_t workspace_bytes(int id, bool backward) const {
    const OpKernels& kernels = backend_.kernels(op(id));
    if (kernels.workspace_bytes == nullptr) return 0;
    std::vector<Tensor> tensors;
    const int64_t batch = samples(sliced(id));
    for (const LoweredInput& input : inputs(id)) tensors.push_back(tensor(input.id, batch));
    KernelCall call;
    call.attributes = attributes_address(node(id));
    call.precision = plan_.precision;
    call.inputs = tensors.data();
    call.input_count = static_cast<int>(tensors.size());
    call.output = tensor(id, batch);
    SequenceCall sequence;
    sequence.columns = columns_;
    if (columns_ > 0) call.sequence = &sequence;
    call.gradient_precision = plan_.gradient_precision_of(id);
    // Only whether it is null counts here: nobody looks where it points.
    static float somewhere = 0;
    if (backward && wants_weights(id) && node(id).weight) call.weight_gradient = &somewhere;
    static const DropoutAttributes some;
    if (backward && plan_.nodes[id].dropout >= 0) call.output_dropout = &some;
    return static_cast<int64_t>(kernels.workspace_bytes(call, backward));
  }

  Tensor tensor(int id, int64_t batch) const {
    const Shape& shape = node(id).shape;
    return {nullptr, batch, shape.height, shape.width, shape.channels, plan_.precision_of(id)};
  }

  // Slices do not go through the steps together: what holds the batch lives as long as the pass then.
  void place() {
    for (size_t b = 0; b < lifetimes_.size(); ++b) {
      lifetimes_[b].bytes += static_cast<int64_t>(backend_.zone_bytes());
      if (plan_.slicing && !plan_.sliced[b]) lifetimes_[b] = {lifetimes_[b].bytes, 0, end_time_};
    }
    plan_.offsets.resize(lifetimes_.size());
    plan_.batch_bytes = place(false);
    plan_.slice_bytes = place(true);
    plan_.arena_bytes = plan_.batch_bytes + (plan_.slicing ? plan_.slicing->workers * plan_.slice_bytes : 0);
    plan_.lifetimes = std::move(lifetimes_);
  }

  // Of the buffers that hold slices, or the batch. Returns their bytes.
  int64_t place(bool slices) {
    std::vector<Lifetime> lifetimes;
    for (size_t b = 0; b < lifetimes_.size(); ++b) {
      if (plan_.sliced[b] == slices) lifetimes.push_back(lifetimes_[b]);
    }
    const Placement placement = place_buffers(lifetimes);
    size_t next = 0;
    for (size_t b = 0; b < lifetimes_.size(); ++b) {
      if (plan_.sliced[b] == slices) plan_.offsets[b] = placement.offsets[next++];
    }
    return placement.total_bytes;
  }

  const int64_t batch_;
  const int64_t columns_;
  const Backend& backend_;
  const Recompute recompute_;
  Plan plan_;
  std::vector<std::vector<int>> consumers_;  // twice where an input is used twice
  std::vector<int> forward_time_;            // -1 where nothing runs
  std::vector<int> recompute_time_;
  std::vector<int> backward_time_;
  int forward_steps_ = 0;
  int end_time_ = 0;
  std::vector<Lifetime> lifetimes_;
};

}  // namespace

Slicing choose_slicing(const Lowered& graph, int64_t batch, Precision precision, const Backend& backend) {
  constexpr int64_t kCacheBytes = int64_t{1} << 20;
  const int workers = backend.slice_workers();
  const Plan one = make_plan(graph, {batch}, PassKind::kEvaluate, precision, backend, {}, Slicing{1, workers});
  const int64_t affordable = std::max<int64_t>(1, kCacheBytes / std::max<int64_t>(1, one.slice_bytes));
  const auto divide_up = [](int64_t a, int64_t b) { return (a + b - 1) / b; };
  const int64_t slices = divide_up(divide_up(batch, affordable), workers) * workers;
  return {divide_up(batch, slices), workers};
}

Plan make_plan(Lowered graph, BatchSizes batch, PassKind kind, Precision precision, const Backend& backend,
               std::vector<WeightRange> ranges, std::optional<Slicing> slicing, Recompute recompute) {
  return Planner(std::move(graph), batch, kind, precision, backend, std::move(ranges), slicing, recompute).make();
}

}  // namespace dartsmith
