#include "engine/plan.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/memory.h"

namespace dartsmith {
namespace {

// Ops whose value follows from inputs and attributes alone: equal ones are computed once. The candidates of a supernet
// repeat the same relu and pooling of a state on every edge that leaves it.
bool shareable(Op op) { return op == Op::kRelu || op == Op::kMaxPool || op == Op::kAvgPool || op == Op::kCrop; }

bool same_computation(const Node& a, const Node& b) {
  return a.op == b.op && a.window == b.window && a.count_include_pad == b.count_include_pad && a.top == b.top &&
         a.left == b.left;
}

bool backward_reads_output(Op op) { return op == Op::kRelu; }

class Planner {
 public:
  Planner(const Graph& graph, int64_t batch, PassKind kind, const Backend& backend)
      : graph_(graph), batch_(batch), backend_(backend), consumers_(graph.nodes.size()) {
    plan_.kind = kind;
    plan_.wants_weights = kind == PassKind::kWeights || kind == PassKind::kBoth || kind == PassKind::kVjp;
    plan_.wants_alpha = kind == PassKind::kAlpha || kind == PassKind::kBoth || kind == PassKind::kVjp;
    plan_.wants_inputs = kind == PassKind::kVjp;
    plan_.nodes.resize(graph.nodes.size());
  }

  Plan make() {
    find_canonical();
    find_live();
    find_guards();
    find_gradients();
    list_steps();
    assign_values();
    assign_gradients();
    assign_workspaces();
    Placement placement = place_buffers(lifetimes_);
    plan_.offsets = std::move(placement.offsets);
    plan_.arena_bytes = placement.total_bytes;
    return std::move(plan_);
  }

 private:
  int count() const { return static_cast<int>(graph_.nodes.size()); }
  const Node& node(int id) const { return graph_.nodes[id]; }
  PlannedNode& planned(int id) { return plan_.nodes[id]; }
  int canonical(int id) const { return plan_.nodes[id].canonical; }

  void find_canonical() {
    for (int id = 0; id < count(); ++id) {
      planned(id).canonical = id;
      if (!shareable(node(id).op)) continue;
      const int input = canonical(node(id).inputs[0]);
      for (int other : consumers_[input]) {
        if (same_computation(node(id), node(other))) planned(id).canonical = other;
      }
      if (canonical(id) == id) consumers_[input].push_back(id);
    }
  }

  void find_live() {
    for (auto& list : consumers_) list.clear();
    planned(canonical(graph_.output)).live = true;
    for (int id = count() - 1; id >= 0; --id) {
      if (!planned(id).live) continue;
      for (int input : value_inputs(node(id))) planned(canonical(input)).live = true;
    }
    for (int id = 0; id < count(); ++id) {
      if (!planned(id).live) continue;
      for (int input : value_inputs(node(id))) consumers_[canonical(input)].push_back(id);
    }
  }

  // A mixed node computes from its branches' outputs; its first input only tells a fused kernel where they start.
  static std::vector<int> value_inputs(const Node& node) {
    const int skip = node.op == Op::kMixed ? 1 : 0;
    return {node.inputs.begin() + skip, node.inputs.end()};
  }

  void find_guards() {
    std::vector<bool> unguarded(count(), true);
    std::vector<std::vector<Guard>> own(count());
    for (int id = 0; id < count(); ++id) {
      if (node(id).op != Op::kMixed) continue;
      for (size_t k = 0; k < node(id).branches.size(); ++k) {
        for (int inner = node(id).branches[k].begin; inner < node(id).branches[k].end; ++inner) {
          own[inner].push_back({id, static_cast<int>(k)});
          unguarded[inner] = false;
        }
      }
    }
    for (int id = 0; id < count(); ++id) {
      auto& guards = planned(canonical(id)).guards;
      guards.insert(guards.end(), own[id].begin(), own[id].end());
      if (unguarded[id]) unguarded[canonical(id)] = true;
    }
    for (int id = 0; id < count(); ++id) {
      if (unguarded[id]) planned(id).guards.clear();
    }
  }

  bool has_wanted_parameter(const Node& n) const {
    if (plan_.wants_weights && (n.weight || n.bias)) return true;
    if (plan_.wants_alpha && n.op == Op::kMixed) return true;
    return plan_.wants_inputs && n.op == Op::kInput;
  }

  void find_gradients() {
    if (plan_.kind == PassKind::kEvaluate) return;
    for (int id = 0; id < count(); ++id) {
      if (!planned(id).live) continue;
      bool wanted = has_wanted_parameter(node(id));
      for (int input : value_inputs(node(id))) wanted = wanted || planned(canonical(input)).has_gradient;
      planned(id).has_gradient = wanted;
    }
  }

  void list_steps() {
    forward_time_.assign(count(), -1);
    backward_time_.assign(count(), -1);
    const auto runs = [&](int id) {
      return planned(id).live && node(id).op != Op::kInput && !(node(id).op == Op::kZero && only_mixed_consume(id));
    };
    for (int id = 0; id < count(); ++id) {
      if (!runs(id)) continue;
      forward_time_[id] = static_cast<int>(plan_.steps.size());
      plan_.steps.push_back({id, false});
    }
    for (int id = count() - 1; id >= 0; --id) {
      if (!runs(id) || !planned(id).has_gradient || node(id).op == Op::kZero) continue;
      backward_time_[id] = static_cast<int>(plan_.steps.size());
      plan_.steps.push_back({id, true});
    }
    end_time_ = static_cast<int>(plan_.steps.size());
  }

  bool only_mixed_consume(int id) const {
    return std::ranges::all_of(consumers_[id], [&](int consumer) { return node(consumer).op == Op::kMixed; });
  }

  bool backward_reads_input(int id, int input) const {
    if (backward_time_[id] < 0) return false;
    switch (node(id).op) {
      case Op::kConv2d:
      case Op::kLinear:
        return plan_.wants_weights;
      case Op::kBatchNorm:
      case Op::kMaxPool:
        return true;
      case Op::kMixed:
        return plan_.wants_alpha;
      default:
        (void)input;
        return false;
    }
  }

  int last_value_use(int id) const {
    int last = forward_time_[id];
    for (int consumer : consumers_[id]) {
      last = std::max(last, forward_time_[consumer]);
      if (backward_reads_input(consumer, id)) last = std::max(last, backward_time_[consumer]);
    }
    if (backward_reads_output(node(id).op)) last = std::max(last, backward_time_[id]);
    return last;
  }

  int64_t value_bytes(int id) const { return batch_ * node(id).shape.elements() * static_cast<int64_t>(sizeof(float)); }

  int new_buffer(int64_t bytes, int first, int last) {
    lifetimes_.push_back({bytes, first, last});
    return static_cast<int>(lifetimes_.size()) - 1;
  }

  void extend(int buffer, int last) { lifetimes_[buffer].last = std::max(lifetimes_[buffer].last, last); }

  void assign_values() {
    for (int id = 0; id < count(); ++id) {
      if (!planned(id).live) continue;
      const bool input = node(id).op == Op::kInput;
      if (!input && forward_time_[id] < 0) continue;
      const int64_t saved = saved_elements(node(id), graph_, batch_) * static_cast<int64_t>(sizeof(float));
      if (saved > 0) {
        planned(id).saved = new_buffer(saved, forward_time_[id], std::max(forward_time_[id], backward_time_[id]));
      }
      const int source = node(id).op == Op::kRelu ? canonical(node(id).inputs[0]) : -1;
      if (source >= 0 && node(source).op != Op::kInput && last_value_use(source) == forward_time_[id]) {
        planned(id).value = planned(source).value;
        extend(planned(id).value, last_value_use(id));
      } else {
        planned(id).value = new_buffer(value_bytes(id), input ? 0 : forward_time_[id], last_value_use(id));
      }
    }
  }

  // From the output back: the gradient of an add is that of its inputs, and elementwise backward kernels may work in
  // place, as long as nobody else looks at the buffer.
  void assign_gradients() {
    std::vector<bool> shared;
    for (int id = count() - 1; id >= 0; --id) {
      if (!planned(id).live || !planned(id).has_gradient) continue;
      const int own_time = backward_time_[id] >= 0 ? backward_time_[id] : end_time_;
      if (planned(id).gradient < 0 && !is_loss(id)) {
        planned(id).gradient = new_buffer(value_bytes(id), first_gradient_time(id), own_time);
      } else if (planned(id).gradient >= 0) {
        extend(planned(id).gradient, own_time);
      }
      shared.resize(lifetimes_.size(), false);
      const int gradient = planned(id).gradient;
      if (gradient < 0 || backward_time_[id] < 0) continue;
      const bool add = node(id).op == Op::kAdd;
      const bool in_place = (node(id).op == Op::kRelu || node(id).op == Op::kBatchNorm) && !shared[gradient];
      if (!add && !in_place) continue;
      for (int input : node(id).inputs) {
        const int source = canonical(input);
        if (!planned(source).has_gradient || consumers_[source].size() != 1) continue;
        // A graph input's gradient must outlive the pass, and a zero has no kernel to hand it to.
        if (node(source).op == Op::kInput || node(source).op == Op::kZero) continue;
        planned(source).gradient = gradient;
        planned(source).gradient_from_add = add;
        if (add) shared[gradient] = true;
      }
    }
  }

  bool is_loss(int id) const { return node(id).op == Op::kSoftmaxCrossEntropy; }

  int first_gradient_time(int id) const {
    // The output's gradient is given before the first backward step.
    int first = id == canonical(graph_.output) ? static_cast<int>(forward_steps()) : end_time_;
    for (int consumer : consumers_[id]) {
      if (backward_time_[consumer] >= 0) first = std::min(first, backward_time_[consumer]);
    }
    return first;
  }

  int64_t forward_steps() const {
    return std::ranges::count_if(plan_.steps, [](const Step& step) { return !step.backward; });
  }

  void assign_workspaces() {
    for (int time = 0; time < end_time_; ++time) {
      Step& step = plan_.steps[time];
      const OpKernels& kernels = backend_.kernels(node(step.node).op);
      if (kernels.workspace_bytes == nullptr) continue;
      std::vector<Tensor> inputs;
      for (int input : node(step.node).inputs) inputs.push_back(tensor(input));
      KernelCall call;
      call.node = &node(step.node);
      call.inputs = inputs.data();
      call.input_count = static_cast<int>(inputs.size());
      call.output = tensor(step.node);
      const int64_t bytes = static_cast<int64_t>(kernels.workspace_bytes(call, step.backward));
      if (bytes > 0) step.workspace = new_buffer(bytes, time, time);
    }
  }

  Tensor tensor(int id) const {
    const Shape& shape = node(id).shape;
    return {nullptr, batch_, shape.height, shape.width, shape.channels};
  }

  const Graph& graph_;
  const int64_t batch_;
  const Backend& backend_;
  Plan plan_;
  std::vector<std::vector<int>> consumers_;  // live, canonical; twice where an input is used twice
  std::vector<int> forward_time_;            // -1 where nothing runs
  std::vector<int> backward_time_;
  int end_time_ = 0;
  std::vector<Lifetime> lifetimes_;
};

}  // namespace

int64_t saved_elements(const Node& node, const Graph& graph, int64_t batch) {
  switch (node.op) {
    case Op::kBatchNorm:  // mean, reciprocal standard deviation
      return 2 * node.shape.channels;
    case Op::kSoftmaxCrossEntropy:  // probabilities
      return batch * graph.nodes[node.inputs[0]].shape.elements();
    default:
      return 0;
  }
}

Plan make_plan(const Graph& graph, int64_t batch, PassKind kind, const Backend& backend) {
  return Planner(graph, batch, kind, backend).make();
}

}  // namespace dartsmith
