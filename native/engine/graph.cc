#include "engine/graph.h"

#include <algorithm>

#include "engine/ops/descriptor.h"

namespace dartsmith {
namespace {

void check(const Graph& graph, int id) {
  const NodeCheck node_check(graph, id);
  const Node& node = node_check.node();
  for (int input : node.inputs) {
    if (input < 0 || input >= id) node_check.fail("expected inputs before node ", id, " but got ", input);
    if (descriptor_of(graph.nodes[input].op).is_loss && !descriptor_of(node.op).sums_losses) {
      node_check.fail("expected other inputs than a loss: a loss can only be the output or a term of it");
    }
  }
  const Shape& shape = node.shape;
  if (shape.height < 1 || shape.width < 1 || shape.channels < 1 || shape.height > kMaxElements ||
      shape.width > kMaxElements || shape.channels > kMaxElements ||
      shape.height * static_cast<double>(shape.width) * shape.channels > kMaxElements) {
    node_check.fail("expected sizes from 1 but got ", shape.height, "x", shape.width, "x", shape.channels);
  }
  const OpDescriptor& descriptor = descriptor_of(node.op);
  if (descriptor.shape == nullptr) node_check.fail("expected an op of graphs");
  const Shape expected = descriptor.shape(node_check);
  if (!(expected == shape)) {
    node_check.fail("expected output ", expected.height, "x", expected.width, "x", expected.channels, " but got ",
                    shape.height, "x", shape.width, "x", shape.channels);
  }
}

// Throws where two places share elements without being the same: nodes may use one parameter.
void expect_disjoint(const char* what, std::vector<ParameterPlace> places) {
  std::ranges::sort(places, {}, &ParameterPlace::offset);
  for (size_t i = 1; i < places.size(); ++i) {
    const ParameterPlace &a = places[i - 1], &b = places[i];
    const bool same = a.offset == b.offset && a.size == b.size;
    if (a.offset + a.size > b.offset && !same) fail("graph", "expected ", what, " that do not overlap");
  }
}

void check_places(const Graph& graph) {
  std::vector<ParameterPlace> weights, buffers, alpha;
  for (const Node& node : graph.nodes) {
    if (node.weight) weights.push_back(node.weight);
    if (node.bias) weights.push_back(node.bias);
    if (node.running_mean) buffers.push_back(node.running_mean);
    if (node.running_variance) buffers.push_back(node.running_variance);
    if (node.alpha) alpha.push_back(node.alpha);
  }
  expect_disjoint("weights", std::move(weights));
  expect_disjoint("running statistics", std::move(buffers));
  expect_disjoint("alpha rows", std::move(alpha));
}

}  // namespace

const void* attributes_address(const Node& node) {
  return std::visit([](const auto& own) -> const void* { return &own; }, node.attributes);
}

void validate(const Graph& graph) {
  if (graph.output < 0 || graph.output >= static_cast<int>(graph.nodes.size())) {
    fail("graph", "expected an output among ", graph.nodes.size(), " nodes but got ", graph.output);
  }
  for (size_t id = 0; id < graph.nodes.size(); ++id) check(graph, static_cast<int>(id));
  check_places(graph);
}

}  // namespace dartsmith
