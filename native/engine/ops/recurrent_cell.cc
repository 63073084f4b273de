#include "engine/ops/descriptor.h"
#include "engine/ops/mask.h"
#include "engine/recurrent.h"

namespace dartsmith {
namespace {

RecurrentActivation read_activation(AttributeReader& reader) {
  const int activation = reader.integer("activation");
  if (activation < 0 || activation >= kRecurrentActivations) fail("recurrentCell", "expected a known activation");
  return static_cast<RecurrentActivation>(activation);
}

Attributes read(AttributeReader& reader) {
  RecurrentCellAttributes cell;
  cell.nodes = reader.integer("nodes");
  cell.output_count = reader.count("outputs");
  if (cell.nodes < 1 || cell.nodes > kMostRecurrentNodes || cell.output_count > kMostRecurrentNodes) {
    fail("recurrentCell", "expected 1 to ", kMostRecurrentNodes, " nodes but got ", cell.nodes);
  }
  for (int i = 0; i < cell.output_count; ++i) cell.outputs[i] = reader.integer("outputs");
  cell.candidate_count = reader.count("candidates");
  if (cell.candidate_count > kRecurrentActivations) {
    fail("recurrentCell", "expected at most ", kRecurrentActivations, " candidates");
  }
  for (int i = 0; i < cell.candidate_count; ++i) cell.candidates[i] = read_activation(reader);
  const float epsilon = reader.single("epsilon");
  cell.norm = {epsilon, reader.single("momentum")};
  const int numbers = reader.count("edges");
  if (numbers != (cell.candidate_count > 0 ? 0 : 2 * cell.nodes)) {
    fail("recurrentCell", "expected candidates, or an edge a node");
  }
  for (int i = 0; i < numbers / 2; ++i) {
    const RecurrentActivation activation = read_activation(reader);
    cell.edges[i] = {activation, reader.integer("from")};
  }
  cell.input_mask = read_mask(reader);
  cell.hidden_mask = read_mask(reader);
  return cell;
}

Shape shape(const NodeCheck& check) {
  expect_vector(check);
  const Node& node = check.node();
  const auto& cell = node.own<RecurrentCellAttributes>();
  const int64_t channels = check.input().channels;
  if (channels > 1 << 20) check.fail("expected at most 2^20 channels but got ", channels);
  check.expect_weight("weights", node.weight, RecurrentWeights{channels}.elements(cell.nodes));
  expect_mask(check, cell.input_mask);
  expect_mask(check, cell.hidden_mask);
  if (cell.output_count < 1) check.fail("expected at least one node as output");
  for (int i = 0; i < cell.output_count; ++i) {
    if (cell.outputs[i] < 1 || cell.outputs[i] > cell.nodes) check.fail("expected nodes of the cell as outputs");
    for (int k = 0; k < i; ++k) {
      if (cell.outputs[k] == cell.outputs[i]) check.fail("expected each output once");
    }
  }
  if (cell.candidate_count == 0) {
    for (int i = 0; i < cell.nodes; ++i) {
      if (cell.edges[i].from < 0 || cell.edges[i].from > i) check.fail("expected edges from earlier nodes");
    }
    if (node.alpha || node.running_mean || node.running_variance) check.fail("expected no mixing of a derived cell");
    return check.input();
  }
  const int64_t pairs = int64_t{cell.nodes} * (cell.nodes + 1) / 2;
  check.expect_alpha("alpha", node.alpha, pairs * cell.candidate_count);
  check.expect_buffer("runningMean", node.running_mean, channels);
  check.expect_buffer("runningVariance", node.running_variance, channels);
  if (!(cell.norm.epsilon > 0)) check.fail("expected an epsilon above 0");
  if (!(cell.norm.momentum >= 0 && cell.norm.momentum <= 1)) check.fail("expected a momentum from 0 to 1");
  return check.input();
}

Work work(const WorkSizes& sizes) {
  const auto& cell = sizes.node.own<RecurrentCellAttributes>();
  const int64_t channels = sizes.node.shape.channels;
  const int64_t pairs = cell.candidate_count > 0 ? cell.nodes * (cell.nodes + 1) / 2 : cell.nodes;
  const int64_t macs = (2 + pairs) * 2 * channels * channels;
  // Backward goes through all of it whatever comes out: a gradient of the states is a pass.
  const int64_t passes = sizes.backward ? 1 + (sizes.wants_weights ? 1 : 0) : 1;
  return {2 * passes * macs, 2 * passes * macs};
}

}  // namespace

constinit const OpDescriptor recurrent_cell_op = {
    .name = "recurrentCell",
    .read = read,
    .shape = shape,
    .reads_times = true,
    .backward_reads_input = [](const Node&, const LoweredInput&,
                               const WantedGradients& wanted) { return wanted.weights; },
    .backward_reads_output = [](const Node&) { return true; },
    .saved_elements =
        [](const SavedSizes& sizes) {
          const auto& cell = sizes.node.own<RecurrentCellAttributes>();
          return recurrent_saved(cell, sizes.node.shape.channels, sizes.batch, sizes.columns).elements();
        },
    .masks =
        [](const Node& node) {
          const auto& cell = node.own<RecurrentCellAttributes>();
          return MaskPlans{MaskPlan{cell.input_mask, 0, node.shape.channels},
                           MaskPlan{cell.hidden_mask, 0, node.shape.channels}};
        },
    .norm = [](const Node& node) -> const BatchNormAttributes* {
      const auto& cell = node.own<RecurrentCellAttributes>();
      return cell.candidate_count > 0 ? &cell.norm : nullptr;
    },
    .work = work,
};

}  // namespace dartsmith
