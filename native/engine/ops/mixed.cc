#include "engine/ops/descriptor.h"

namespace dartsmith {
namespace {

Attributes read(AttributeReader& reader) {
  MixedAttributes mixed;
  mixed.activation = reader.flag("activation") ? MixingActivation::kSigmoid : MixingActivation::kSoftmax;
  mixed.runs_all = reader.flag("runsAll");
  mixed.branches.resize(reader.count("branches"));
  for (Branch& branch : mixed.branches) {
    branch.begin = reader.integer("begin");
    branch.end = reader.integer("end");
    branch.output = reader.integer("output");
  }
  return mixed;
}

Shape shape(const NodeCheck& check) {
  const Node& node = check.node();
  const std::vector<Branch>& branches = node.own<MixedAttributes>().branches;
  check.expect_inputs(branches.size() + 1);
  if (branches.empty()) check.fail("expected at least one branch");
  check.expect_alpha("alpha row", node.alpha, static_cast<int64_t>(branches.size()));
  for (size_t k = 0; k < branches.size(); ++k) {
    const auto& [begin, end, output] = branches[k];
    if (begin < 0 || begin > end || end > check.id() || output != node.inputs[k + 1]) {
      check.fail("expected branch ", k, " within nodes before ", check.id());
    }
    if (!(check.input(k + 1) == check.input(1))) check.fail("expected branches of one shape");
  }
  return check.input(1);
}

}  // namespace

constinit const OpDescriptor mixed_op = {
    .name = "mixed",
    .read = read,
    .shape = shape,
};

}  // namespace dartsmith
