// distillation, smoothL1, meanSquaredError, cosineDistance, lossSum.
#include <cmath>

#include "engine/ops/descriptor.h"
#include "engine/ops/mask.h"

namespace dartsmith {
namespace {

void expect_vectors(const NodeCheck& check) {
  check.expect_inputs(2);
  const bool alike = check.input(0) == check.input(1);
  if (!alike || check.input().height * check.input().width != 1) check.fail("expected two vectors of one length");
}

// Of a loss that knows of one vector.
Shape vector_loss(const NodeCheck& check) {
  expect_vector(check);
  return {1, 1, 1};
}

bool reads_inputs(const Node&, const LoweredInput&, const WantedGradients&) {
  return true;
}

// Of a loss that knows of nothing but two vectors.
constexpr OpDescriptor between_vectors(const char* name) {
  return {
      .name = name,
      .shape =
          [](const NodeCheck& check) {
            expect_vectors(check);
            return Shape{1, 1, 1};
          },
      .is_loss = true,
      .backward_reads_input = reads_inputs,
  };
}

Attributes read_sum(AttributeReader& reader) {
  LossSumAttributes sum;
  sum.count = reader.count("weights");
  if (sum.count > kMostLosses) fail("lossSum", "expected at most ", kMostLosses, " losses but got ", sum.count);
  for (int i = 0; i < sum.count; ++i) sum.weights[i] = reader.single("weights");
  sum.counted = reader.integer("counted");
  return sum;
}

Shape sum_shape(const NodeCheck& check) {
  const auto& sum = check.node().own<LossSumAttributes>();
  if (sum.count < 1) check.fail("expected at least one loss");
  check.expect_inputs(sum.count);
  if (sum.counted < -1 || sum.counted >= sum.count) check.fail("expected one of the losses for the hits");
  for (int i = 0; i < sum.count; ++i) {
    if (!check.is_term(i)) check.fail("expected losses that are no sums");
    if (!std::isfinite(sum.weights[i])) check.fail("expected finite weights");
    for (int k = 0; k < i; ++k) {
      if (check.node().inputs[k] == check.node().inputs[i]) check.fail("expected each loss once");
    }
  }
  return {1, 1, 1};
}

}  // namespace

constinit const OpDescriptor distillation_op = {
    .name = "distillation",
    .read = [](AttributeReader& reader) -> Attributes { return DistillationAttributes{reader.single("temperature")}; },
    .shape =
        [](const NodeCheck& check) {
          expect_vectors(check);
          const float temperature = check.node().own<DistillationAttributes>().temperature;
          if (!(temperature > 0 && std::isfinite(temperature))) check.fail("expected a temperature above 0");
          return Shape{1, 1, 1};
        },
    .is_loss = true,
    .backward_reads_input = reads_inputs,
};

constinit const OpDescriptor smooth_l1_op = between_vectors("smoothL1");
constinit const OpDescriptor mean_squared_error_op = between_vectors("meanSquaredError");
constinit const OpDescriptor cosine_distance_op = between_vectors("cosineDistance");

constinit const OpDescriptor mean_square_op = {
    .name = "meanSquare",
    .shape = vector_loss,
    .is_loss = true,
    .backward_reads_input = reads_inputs,
};

constinit const OpDescriptor slowness_op = {
    .name = "slowness",
    .shape = vector_loss,
    .is_loss = true,
    .reads_times = true,
    .backward_reads_input = reads_inputs,
};

constinit const OpDescriptor loss_sum_op = {
    .name = "lossSum",
    .read = read_sum,
    .shape = sum_shape,
    .is_loss = true,
    .sums_losses = true,
};

}  // namespace dartsmith
