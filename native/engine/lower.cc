#include "engine/lower.h"

#include <algorithm>
#include <map>
#include <utility>

#include "engine/ops/descriptor.h"

namespace dartsmith {
namespace {

// A mixed node computes from its branches' outputs; its first input only tells where they start.
std::vector<int> value_inputs(const Node& node) {
  const int skip = node.op == Op::kMixed ? 1 : 0;
  return {node.inputs.begin() + skip, node.inputs.end()};
}

class Lowering {
 public:
  Lowering(const Graph& graph, const Backend& backend)
      : graph_(graph),
        drops_inputs_(backend.kernels(Op::kCombine).drops_inputs),
        activates_inputs_(backend.kernels(Op::kConv2d).activates_inputs),
        joins_inputs_(backend.kernels(Op::kConv2d).joins_inputs),
        canonical_(graph.nodes.size()),
        live_(graph.nodes.size(), false),
        consumers_(graph.nodes.size()),
        after_(graph.nodes.size(), -1),
        lazy_(graph.nodes.size(), false),
        absorbed_(graph.nodes.size(), false),
        combined_(graph.nodes.size(), false),
        decodes_(graph.nodes.size(), false),
        placed_(graph.nodes.size(), -1) {}

  Lowered run(bool fuse) {
    find_canonical();
    find_live();
    find_shared_statistics();
    if (fuse) {
      find_combines();
      find_decoders();
      for (int id = count() - 1; id >= 0; --id) find_lazy(id);
      for (int id = 0; id < count(); ++id) {
        absorbed_[id] = absorbed_[id] || only_pools_for_combines(id) || only_crops_for_convolutions(id) ||
                        only_activates_convolutions(id);
      }
      for (int id = 0; id < count(); ++id) absorbed_[id] = absorbed_[id] || only_joined_by_convolutions(id);
    }
    emit();
    return std::move(lowered_);
  }

 private:
  int count() const { return static_cast<int>(graph_.nodes.size()); }
  const Node& node(int id) const { return graph_.nodes[id]; }
  int input(int id, size_t index = 0) const { return canonical_[node(id).inputs[index]]; }

  void find_canonical() {
    std::vector<std::vector<int>> shared(count());
    for (int id = 0; id < count(); ++id) {
      canonical_[id] = id;
      if (!descriptor_of(node(id).op).computed_once) continue;
      std::vector<int>& others = shared[input(id)];
      const auto equal = std::ranges::find_if(
          others, [&](int o) { return node(id).op == node(o).op && node(id).attributes == node(o).attributes; });
      if (equal != others.end()) {
        canonical_[id] = *equal;
      } else {
        others.push_back(id);
      }
    }
  }

  void find_live() {
    live_[canonical_[graph_.output]] = true;
    // Inputs stay, so that every batch has somewhere to go.
    for (int id = 0; id < count(); ++id) live_[id] = live_[id] || node(id).op == Op::kInput;
    for (int id = count() - 1; id >= 0; --id) {
      if (!live_[id]) continue;
      for (int in : value_inputs(node(id))) live_[canonical_[in]] = true;
    }
    for (int id = 0; id < count(); ++id) {
      if (!live_[id]) continue;
      for (int in : value_inputs(node(id))) consumers_[canonical_[in]].push_back(id);
    }
  }

  void find_shared_statistics() {
    std::map<int64_t, int> last;  // by place in the arena of buffers
    for (int id = 0; id < count(); ++id) {
      if (!live_[id] || !node(id).running_mean) continue;
      const auto [known, first] = last.try_emplace(node(id).running_mean.offset, id);
      if (!first) after_[id] = std::exchange(known->second, id);
    }
  }

  int only_consumer(int id) const { return consumers_[id].size() == 1 ? consumers_[id][0] : -1; }

  // Whether a combine drops the samples: drop path between a node's operation and its sum.
  bool dropped_by_combine(int id) const { return node(id).op == Op::kDropout && absorbed_[id]; }

  bool drops_samples(int id) const {
    return node(id).op == Op::kDropout && node(id).own<DropoutAttributes>().whole_samples;
  }

  // The only one that reads the value, dropped or not.
  int only_reader(int id) const {
    const int consumer = only_consumer(id);
    return consumer >= 0 && dropped_by_combine(consumer) ? only_consumer(consumer) : consumer;
  }

  // Mixed nodes, and sums of what a combine can take apart: mixed nodes that feed only the sum and drop paths in front
  // of it (`absorbed_`, they have no kernel of their own), and batch-norms.
  void find_combines() {
    for (int id = 0; id < count(); ++id) {
      if (!live_[id]) continue;
      if (node(id).op == Op::kMixed) combined_[id] = true;
      if (node(id).op != Op::kAdd) continue;
      for (int original : node(id).inputs) {
        const int in = canonical_[original];
        if (only_consumer(in) != id) continue;
        const Op op = node(in).op;
        const bool drops = drops_inputs_ && drops_samples(in);
        if (op != Op::kMixed && op != Op::kBatchNorm && !drops) continue;
        combined_[id] = true;
        absorbed_[in] = op == Op::kMixed || drops;
      }
    }
  }

  // Cross-entropies of a tied decoder's logits that nobody else reads: these are never stored.
  void find_decoders() {
    for (int id = 0; id < count(); ++id) {
      if (!live_[id] || node(id).op != Op::kSoftmaxCrossEntropy || node(id).inputs.size() != 1) continue;
      const auto& loss = node(id).own<SoftmaxCrossEntropyAttributes>();
      const int logits = input(id);
      if (loss.smoothing != 0 || loss.weights[0] != 1) continue;
      decodes_[id] = node(logits).op == Op::kTiedLinear && only_consumer(logits) == id;
      absorbed_[logits] = absorbed_[logits] || decodes_[id];
    }
  }

  // A batch-norm is lazy when its one reader can normalise while it loads: a combine or a separable. Consumers come
  // later, so going backwards finds them decided. A separable that nobody takes so is followed by a combine of its own.
  void find_lazy(int id) {
    if (!live_[id] || node(id).op != Op::kBatchNorm) return;
    const int reader = only_reader(id);
    lazy_[id] = reader >= 0 && (absorbed_relu(reader) || combined_[reader]);
    if (separable(id)) {
      const int pointwise = input(id), depthwise = input(pointwise), relu = input(depthwise);
      absorbed_[pointwise] = absorbed_[depthwise] = true;
      absorbed_[relu] = std::ranges::all_of(consumers_[relu], [&](int other) { return part_of_separable(other); });
    }
  }

  // A pooling that leaves the size alone and that only combine nodes read, through lazy batch-norms.
  bool only_pools_for_combines(int id) const {
    if (!live_[id] || !pools(id) || id == canonical_[graph_.output]) return false;
    const Node& n = node(id);
    const auto& stride = n.own<PoolAttributes>().window.stride;
    if (stride[0] != 1 || stride[1] != 1 || !(n.shape == node(input(id)).shape)) return false;
    return std::ranges::all_of(consumers_[id], [&](int norm) { return lazy_[norm] && combined_[only_reader(norm)]; });
  }

  // A crop that only dense convolutions without padding read: they start further into the image instead.
  bool only_crops_for_convolutions(int id) const {
    if (!live_[id] || node(id).op != Op::kCrop || id == canonical_[graph_.output]) return false;
    return std::ranges::all_of(consumers_[id], [&](int consumer) {
      if (node(consumer).op != Op::kConv2d || absorbed_[consumer]) return false;
      const auto& [window, groups] = node(consumer).own<Conv2dAttributes>();
      return groups == 1 && window.padding[0] == 0 && window.padding[1] == 0;
    });
  }

  // A relu that only convolutions read which take it along, some of them behind such a crop, or as parts of separables.
  bool only_activates_convolutions(int id) const {
    if (activates_inputs_ == nullptr || !live_[id] || node(id).op != Op::kRelu || id == canonical_[graph_.output]) {
      return false;
    }
    return activated_by_all(id, node(id).shape);
  }

  bool activated_by_all(int id, const Shape& input) const {
    return std::ranges::all_of(consumers_[id], [&](int reader) {
      if (only_crops_for_convolutions(reader)) return activated_by_all(reader, input);
      if (node(reader).op != Op::kConv2d) return false;
      return absorbed_[reader] || convolution_allows(activates_inputs_, reader, input, 1);
    });
  }

  // A concatenation that only convolutions read which take its parts as they are, some of them behind such a relu or
  // crop.
  bool only_joined_by_convolutions(int id) const {
    if (joins_inputs_ == nullptr || !live_[id] || node(id).op != Op::kConcat || id == canonical_[graph_.output]) {
      return false;
    }
    std::vector<int> parts;
    for (int original : node(id).inputs) {
      const int part = canonical_[original];
      const bool fits = node(part).op != Op::kInput && node(part).shape == node(input(id)).shape;
      if (!fits || std::ranges::find(parts, part) != parts.end()) return false;
      parts.push_back(part);
    }
    return joined_by_all(id, node(input(id)).shape, static_cast<int>(parts.size()));
  }

  bool joined_by_all(int id, const Shape& part, int parts) const {
    return std::ranges::all_of(consumers_[id], [&](int reader) {
      const Node& n = node(reader);
      if (n.op == Op::kRelu || n.op == Op::kCrop) return absorbed_[reader] && joined_by_all(reader, part, parts);
      if (n.op != Op::kConv2d || absorbed_[reader] || n.bias) return false;
      return convolution_allows(joins_inputs_, reader, part, parts);
    });
  }

  // What the backend says of a convolution that reads so many inputs of a shape.
  bool convolution_allows(bool (*allows)(const KernelCall&), int id, const Shape& shape, int count) const {
    const Node& n = node(id);
    const std::vector<Tensor> inputs(count, tensor_of(shape));
    KernelCall call;
    call.attributes = &n.own<Conv2dAttributes>();
    call.inputs = inputs.data();
    call.input_count = count;
    call.output = tensor_of(n.shape);
    return allows(call);
  }
  static Tensor tensor_of(const Shape& shape) { return {nullptr, 1, shape.height, shape.width, shape.channels}; }

  bool pools(int id) const { return node(id).op == Op::kMaxPool || node(id).op == Op::kAvgPool; }

  // A lazy batch-norm of a pooling that is not stored.
  bool pooled(int id) const { return lazy_[id] && pools(input(id)) && absorbed_[input(id)]; }

  bool part_of_separable(int id) const { return absorbed_[id] && node(id).op == Op::kConv2d; }

  // A relu that only one separable reads.
  bool absorbed_relu(int id) const { return node(id).op == Op::kRelu && absorbed_[id] && consumers_[id].size() == 1; }

  // Batch-norm of a pointwise of a depthwise convolution of a relu, each read by the next alone (the relu by anyone).
  bool separable(int id) const {
    const int pointwise = input(id);
    if (node(pointwise).op != Op::kConv2d || only_consumer(pointwise) != id) return false;
    if (!(node(pointwise).attributes == Attributes(Conv2dAttributes{}))) return false;
    const int depthwise = input(pointwise);
    if (node(depthwise).op != Op::kConv2d || only_consumer(depthwise) != pointwise) return false;
    const auto& [window, groups] = node(depthwise).own<Conv2dAttributes>();
    const int64_t channels = node(input(depthwise)).shape.channels;
    return groups == channels && node(depthwise).shape.channels == channels && channels > 1 && within_halo(window) &&
           node(input(depthwise)).op == Op::kRelu;
  }

  // The kernel's tiles hold the padded image: more padding than a window reaches over would only make them large.
  static bool within_halo(const Window& window) {
    for (int axis = 0; axis < 2; ++axis) {
      if (window.padding[axis] > window.dilation[axis] * (window.kernel[axis] - 1)) return false;
    }
    return true;
  }

  void emit() {
    lowered_.of_original.assign(count(), -1);
    for (int id = 0; id < count(); ++id) {
      if (!runs(id)) continue;
      std::vector<int> group = siblings(id);
      group.insert(group.begin(), id);
      for (int member : group) emit(member);
      for (int member : group) {
        if (is_separable(member) && !lazy_[member]) place(member, materialised(member));
      }
    }
    for (int id = 0; id < count(); ++id) {
      // A lazy batch-norm's own value exists nowhere.
      if (!lazy_[canonical_[id]]) lowered_.of_original[id] = placed_[canonical_[id]];
    }
    lowered_.output = placed_[canonical_[graph_.output]];
  }

  bool runs(int id) const { return live_[id] && !absorbed_[id] && placed_[id] < 0 && !nothing_but_zero_branch(id); }

  // The nodes that one kernel takes together with this one.
  std::vector<int> siblings(int id) const {
    std::vector<int> found;
    if (is_separable(id) && !lazy_[input(separable_relu(id))]) {
      for (int depthwise : consumers_[separable_relu(id)]) {
        if (part_of_separable(depthwise)) found.push_back(only_consumer(only_consumer(depthwise)));
      }
    } else if (pooled(id)) {
      found = consumers_[input(id)];
    }
    std::erase_if(found, [&](int other) { return other == id || !runs(other) || waits(other); });
    return found;
  }

  // Whether another node has to move its running statistics first.
  bool waits(int id) const { return after_[id] >= 0 && placed_[after_[id]] < 0; }

  // A batch-norm whose convolutions a separable node has taken.
  bool is_separable(int id) const { return node(id).op == Op::kBatchNorm && part_of_separable(input(id)); }

  int separable_relu(int id) const { return input(input(input(id))); }

  // A zero that only mixed nodes read: they leave it out.
  bool nothing_but_zero_branch(int id) const {
    return node(id).op == Op::kZero && id != canonical_[graph_.output] &&
           std::ranges::all_of(consumers_[id], [&](int consumer) { return node(consumer).op == Op::kMixed; });
  }

  // An input's lowered node; a lazy batch-norm's is the node that holds its statistics.
  LoweredInput link(int original, int64_t mixing = -1) const {
    const int id = canonical_[original];
    if (!dropped_by_combine(id)) return {placed_[id], lazy_[id], mixing};
    LoweredInput dropped = link(node(id).inputs[0], mixing);
    dropped.dropout = id;
    return dropped;
  }

  void emit(int id) {
    LoweredNode lowered{node(id), {}};
    if (after_[id] >= 0) lowered.after = placed_[after_[id]];
    if (lazy_[id] || is_separable(id)) {
      lowered.node.scale = node(id).weight;
      lowered.node.shift = node(id).bias;
      lowered.node.weight = lowered.node.bias = {};
    }
    if (is_separable(id)) {
      const int pointwise = input(id), depthwise = input(pointwise), relu = separable_relu(id);
      lowered.node.op = Op::kSeparable;
      lowered.node.attributes =
          SeparableAttributes{node(depthwise).own<Conv2dAttributes>().window, node(id).own<BatchNormAttributes>()};
      lowered.node.weight = node(depthwise).weight;
      lowered.node.bias = node(pointwise).weight;
      lowered.inputs = {link(node(relu).inputs[0])};
    } else if (pooled(id)) {
      const Node& pool = node(input(id));
      lowered.node.op = Op::kPooledMoments;
      lowered.node.attributes =
          PooledMomentsAttributes{pool.own<PoolAttributes>(), node(id).own<BatchNormAttributes>()};
      lowered.inputs = {link(pool.inputs[0])};
    } else if (lazy_[id]) {
      lowered.node.op = Op::kMoments;
      lowered.inputs = {link(node(id).inputs[0])};
    } else if (node(id).op == Op::kMixed) {
      lowered.node.op = Op::kCombine;
      add_branches(id, lowered);
    } else if (combined_[id]) {
      lowered.node.op = Op::kCombine;
      for (int in : node(id).inputs) add_term(in, lowered);
    } else if (node(id).op == Op::kConv2d) {
      lowered.inputs = convolved(id, std::get<Conv2dAttributes>(lowered.node.attributes).window);
    } else if (decodes_[id]) {
      const Node& decoder = node(input(id));
      lowered.node.op = Op::kTiedCrossEntropy;
      lowered.node.attributes = TiedCrossEntropyAttributes{static_cast<int>(decoder.shape.channels)};
      lowered.node.weight = decoder.weight;
      lowered.node.bias = decoder.bias;
      lowered.inputs = {link(decoder.inputs[0])};
    } else {
      for (int in : node(id).inputs) lowered.inputs.push_back(link(in));
    }
    place(id, std::move(lowered));
  }

  // What a convolution reads: past a crop, for which its window moves, a relu and a concatenation that have no kernels
  // of their own.
  std::vector<LoweredInput> convolved(int id, Window& window) const {
    int from = input(id);
    if (node(from).op == Op::kCrop && absorbed_[from]) {
      const auto& [top, left] = node(from).own<CropAttributes>();
      window.padding[0] = -top;
      window.padding[1] = -left;
      from = input(from);
    }
    const bool activated = node(from).op == Op::kRelu && absorbed_[from];
    if (activated) from = input(from);
    std::vector<LoweredInput> found;
    if (node(from).op == Op::kConcat && absorbed_[from]) {
      for (int part : node(from).inputs) found.push_back(link(part));
    } else {
      found.push_back(link(from));
    }
    for (LoweredInput& part : found) part.activated = activated;
    return found;
  }

  void place(int id, LoweredNode lowered) {
    placed_[id] = static_cast<int>(lowered_.nodes.size());
    lowered_.nodes.push_back(std::move(lowered));
  }

  // The value of a batch-norm whose statistics the node placed last holds.
  LoweredNode materialised(int id) const {
    LoweredNode combine;
    combine.node.op = Op::kCombine;
    combine.node.shape = node(id).shape;
    combine.inputs = {{placed_[id], true}};
    return combine;
  }

  // A term of a sum.
  void add_term(int original, LoweredNode& combine) const {
    const int id = canonical_[original];
    if (node(id).op == Op::kMixed && absorbed_[id]) {
      add_branches(id, combine);
    } else {
      combine.inputs.push_back(link(original));
    }
  }

  // Zero branches are left out: they add nothing, and the gradient of their weight is zero.
  void add_branches(int mixed, LoweredNode& combine) const {
    const auto& [activation, runs_all, branches] = node(mixed).own<MixedAttributes>();
    for (size_t k = 0; k < branches.size(); ++k) {
      const int branch = node(mixed).inputs[k + 1];
      if (node(canonical_[branch]).op == Op::kZero) continue;
      combine.inputs.push_back(link(branch, node(mixed).alpha.offset + static_cast<int64_t>(k)));
      combine.inputs.back().always = runs_all;
    }
  }

  const Graph& graph_;
  const bool drops_inputs_;                            // of the backend's combine
  bool (*const activates_inputs_)(const KernelCall&);  // of its conv2d
  bool (*const joins_inputs_)(const KernelCall&);      // of its conv2d
  std::vector<int> canonical_;                         // the node that computes the same value; itself mostly
  std::vector<bool> live_;                             // canonical, and the output depends on it
  std::vector<std::vector<int>> consumers_;            // live, canonical; twice where an input is used twice
  std::vector<int> after_;                             // LoweredNode::after, of the original nodes
  std::vector<bool> lazy_;                             // a batch-norm that its consumer applies
  std::vector<bool> absorbed_;                         // part of a fused node, with no kernel of its own
  std::vector<bool> combined_;                         // becomes a combine node
  std::vector<bool> decodes_;                          // a cross-entropy that takes its decoder in
  std::vector<int> placed_;                            // lowered node of each original one so far
  Lowered lowered_;
};

}  // namespace

Lowered lower(const Graph& graph, bool fuse, const Backend& backend) {
  return Lowering(graph, backend).run(fuse);
}

}  // namespace dartsmith
