// tanh, sigmoid.
#include "engine/ops/descriptor.h"

namespace dartsmith {
namespace {

Shape shape(const NodeCheck& check) {
  check.expect_inputs(1);
  return check.input();
}

bool always(const Node&) {
  return true;
}

// The slope follows from the value.
InputGradient in_place(const LoweredInput&) {
  return InputGradient::kInPlace;
}

}  // namespace

constinit const OpDescriptor tanh_op = {
    .name = "tanh",
    .shape = shape,
    .computed_once = true,
    .overwrites_input = always,
    .backward_reads_output = always,
    .input_gradient = in_place,
};

constinit const OpDescriptor sigmoid_op = {
    .name = "sigmoid",
    .shape = shape,
    .computed_once = true,
    .overwrites_input = always,
    .backward_reads_output = always,
    .input_gradient = in_place,
};

}  // namespace dartsmith
