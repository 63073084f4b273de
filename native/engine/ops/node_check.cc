#include "engine/ops/node_check.h"

#include "engine/ops/descriptor.h"

namespace dartsmith {

bool NodeCheck::is_term(size_t index) const {
  const OpDescriptor& descriptor = descriptor_of(graph_.nodes[node().inputs[index]].op);
  return descriptor.is_loss && !descriptor.sums_losses;
}

int NodeCheck::integers() const {
  const Node& source = graph_.nodes[node().inputs[0]];
  const int below = source.op == Op::kInput ? source.own<InputAttributes>().below : 0;
  if (below == 0) fail("expected an input of integers");
  return below;
}

void NodeCheck::expect_inputs(size_t count) const {
  if (inputs() != count) fail("expected ", count, " inputs but got ", inputs());
}

void NodeCheck::expect_input() const {
  if (inputs() == 0) fail("expected at least one input");
}

void NodeCheck::expect_weight(const char* what, const ParameterPlace& place, int64_t size) const {
  expect_parameter(what, place, size, graph_.weight_elements);
}

void NodeCheck::expect_buffer(const char* what, const ParameterPlace& place, int64_t size) const {
  expect_parameter(what, place, size, graph_.buffer_elements);
}

void NodeCheck::expect_alpha(const char* what, const ParameterPlace& place, int64_t size) const {
  expect_parameter(what, place, size, graph_.alpha_elements);
}

Shape NodeCheck::windowed(const Window& window, int64_t channels) const {
  return {windowed(input().height, window, 0), windowed(input().width, window, 1), channels};
}

int64_t NodeCheck::product(int64_t a, int64_t b) const {
  if (static_cast<double>(a) * static_cast<double>(b) > kMaxElements) fail("expected fewer than 2^40 weights");
  return a * b;
}

void NodeCheck::expect_parameter(const char* what, const ParameterPlace& place, int64_t size, int64_t arena) const {
  if (place.size != size) fail("expected ", size, " elements of ", what, " but got ", place.size);
  if (place.offset < 0 || place.offset > arena - size) {
    fail("expected ", what, " inside its arena of ", arena, " but got offset ", place.offset);
  }
}

int64_t NodeCheck::windowed(int64_t size, const Window& window, int axis) const {
  const int kernel = window.kernel[axis], stride = window.stride[axis];
  const int padding = window.padding[axis], dilation = window.dilation[axis];
  if (kernel < 1 || stride < 1 || dilation < 1 || padding < 0 || kernel > 64 || dilation > 4096 || padding > 65536) {
    fail("expected kernels of 1 to 64, positive stride and dilation but got ", kernel, ", ", stride, ", ", dilation);
  }
  const int64_t room = size + 2 * padding - (int64_t{dilation} * (kernel - 1) + 1);
  if (room < 0) fail("expected a larger input than ", size, " pixels");
  return room / stride + 1;
}

}  // namespace dartsmith
