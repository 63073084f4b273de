#include "engine/ops/descriptor.h"

namespace dartsmith {
namespace {

Attributes read(AttributeReader& reader) {
  SoftmaxCrossEntropyAttributes loss;
  loss.smoothing = reader.single("smoothing");
  const int count = reader.count("weights");
  if (count > kMostLogits) fail("weights", "expected at most ", kMostLogits, " but got ", count);
  for (int i = 0; i < count; ++i) loss.weights[i] = reader.single("weights");
  return loss;
}

Shape shape(const NodeCheck& check) {
  if (check.inputs() == 0 || check.inputs() > kMostLogits) {
    check.fail("expected 1 to ", kMostLogits, " inputs but got ", check.inputs());
  }
  for (size_t i = 0; i < check.inputs(); ++i) {
    if (check.input(i).height * check.input(i).width != 1 || !(check.input(i) == check.input())) {
      check.fail("expected vectors of logits of one length");
    }
  }
  const float smoothing = check.node().own<SoftmaxCrossEntropyAttributes>().smoothing;
  if (!(smoothing >= 0 && smoothing < 1)) check.fail("expected a smoothing from 0 to below 1");
  return {1, 1, 1};
}

}  // namespace

constinit const OpDescriptor softmax_cross_entropy_op = {
    .name = "softmaxCrossEntropy",
    .read = read,
    .shape = shape,
    .is_loss = true,
    .reads_labels = true,
    // Probabilities, of each input.
    .saved_elements = [](const SavedSizes& sizes) { return sizes.batch * sizes.input.elements() * sizes.inputs; },
};

}  // namespace dartsmith
