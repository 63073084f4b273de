#include "binding/readers.h"

namespace dartsmith::binding {
namespace {

// [offset, size], absent where the node has none.
ParameterPlace read_place(const Napi::Object& node, const char* name) {
  const Napi::Value value = node.Get(name);
  if (value.IsUndefined()) return {};
  const Napi::Array place = array(value, name);
  return {integer(place.Get(0u), name), integer(place.Get(1u), name)};
}

void read_pair(const Napi::Object& node, const char* name, int (&pair)[2]) {
  const Napi::Value value = node.Get(name);
  if (value.IsUndefined()) return;
  const Napi::Array list = array(value, name);
  for (uint32_t axis : {0u, 1u}) pair[axis] = small_integer(list.Get(axis), name);
}

Shape read_shape(const Napi::Array& list) {
  std::vector<int64_t> sizes;
  for (uint32_t i = 0; i < list.Length(); ++i) sizes.push_back(integer(list.Get(i), "shape"));
  if (sizes.size() == 3) return {sizes[0], sizes[1], sizes[2]};
  if (sizes.size() > 1) reject(list.Env(), "expected a shape of zero, one or three sizes");
  return {1, 1, sizes.empty() ? 1 : sizes[0]};
}

std::vector<Branch> read_branches(const Napi::Value& value) {
  std::vector<Branch> branches;
  if (value.IsUndefined()) return branches;
  const Napi::Array list = array(value, "branches");
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Object branch = object(list.Get(i), "branch");
    branches.push_back({small_integer(branch.Get("begin"), "begin"), small_integer(branch.Get("end"), "end"),
                        small_integer(branch.Get("output"), "output")});
  }
  return branches;
}

int optional_integer(const Napi::Object& node, const char* name, int otherwise) {
  const Napi::Value value = node.Get(name);
  return value.IsUndefined() ? otherwise : small_integer(value, name);
}

float optional_number(const Napi::Object& node, const char* name) {
  const Napi::Value value = node.Get(name);
  return value.IsUndefined() ? 0.0f : static_cast<float>(number(value, name));
}

void read_loss_weights(const Napi::Value& value, float* weights) {
  if (value.IsUndefined()) return;
  const Napi::Array list = array(value, "weights");
  if (list.Length() > kMostLogits) fail("weights", "expected at most ", kMostLogits, " but got ", list.Length());
  for (uint32_t i = 0; i < list.Length(); ++i) weights[i] = static_cast<float>(number(list.Get(i), "weights"));
}

Node read_node(const Napi::Object& value) {
  Node node;
  node.op = op_from_name(text(value, "op"));
  node.inputs = integers(value.Get("inputs"), "inputs");
  node.shape = read_shape(array(value.Get("shape"), "shape"));
  read_pair(value, "kernel", node.window.kernel);
  read_pair(value, "stride", node.window.stride);
  read_pair(value, "padding", node.window.padding);
  read_pair(value, "dilation", node.window.dilation);
  node.groups = optional_integer(value, "groups", 1);
  node.count_include_pad = boolean(value, "countIncludePad");
  node.epsilon = optional_number(value, "epsilon");
  node.momentum = optional_number(value, "momentum");
  node.top = optional_integer(value, "top", 0);
  node.left = optional_integer(value, "left", 0);
  node.rate = optional_number(value, "rate");
  node.whole_samples = value.Get("drops").IsString() && text(value, "drops") == "samples";
  node.number = optional_integer(value, "number", 0);
  node.smoothing = optional_number(value, "smoothing");
  read_loss_weights(value.Get("weights"), node.loss_weights);
  node.weight = read_place(value, "weight");
  node.bias = read_place(value, "bias");
  node.running_mean = read_place(value, "runningMean");
  node.running_variance = read_place(value, "runningVariance");
  node.alpha = read_place(value, "alpha");
  node.activation = value.Get("activation").IsString() && text(value, "activation") == "sigmoid"
                        ? MixingActivation::kSigmoid
                        : MixingActivation::kSoftmax;
  node.branches = read_branches(value.Get("branches"));
  if (node.op == Op::kInput) node.name = text(value, "name");
  return node;
}

}  // namespace

Graph read_graph(const Napi::Object& value) {
  Graph graph;
  const Napi::Array nodes = array(value.Get("nodes"), "nodes");
  for (uint32_t i = 0; i < nodes.Length(); ++i) graph.nodes.push_back(read_node(object(nodes.Get(i), "node")));
  graph.output = small_integer(value.Get("output"), "output");
  graph.weight_elements = integer(value, "weightElements");
  graph.buffer_elements = integer(value, "bufferElements");
  graph.alpha_elements = integer(value, "alphaElements");
  return graph;
}

}  // namespace dartsmith::binding
