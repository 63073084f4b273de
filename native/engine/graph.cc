#include "engine/graph.h"

#include <algorithm>

#include "engine/error.h"

namespace dartsmith {
namespace {

constexpr const char* kOpNames[kOpCount] = {
    "input",   "conv2d",  "batchNorm", "relu",    "maxPool",       "avgPool", "globalAvgPool",
    "linear",  "add",     "concat",    "crop",    "zero",          "mixed",   "softmaxCrossEntropy",
    "dropout", "combine", "separable", "moments", "pooledMoments",
};

// Larger than any real tensor of one sample, small enough that no product of sizes overflows.
constexpr int64_t kMaxElements = int64_t{1} << 40;

int64_t product(const char* op, int64_t a, int64_t b) {
  if (static_cast<double>(a) * static_cast<double>(b) > kMaxElements) fail(op, "expected fewer than 2^40 weights");
  return a * b;
}

int64_t windowed(const char* op, int64_t size, const Window& window, int axis) {
  const int kernel = window.kernel[axis], stride = window.stride[axis];
  const int padding = window.padding[axis], dilation = window.dilation[axis];
  if (kernel < 1 || stride < 1 || dilation < 1 || padding < 0 || kernel > 64 || dilation > 4096 || padding > 65536) {
    fail(op, "expected kernels of 1 to 64, positive stride and dilation but got ", kernel, ", ", stride, ", ",
         dilation);
  }
  const int64_t room = size + 2 * padding - (int64_t{dilation} * (kernel - 1) + 1);
  if (room < 0) fail(op, "expected a larger input than ", size, " pixels");
  return room / stride + 1;
}

Shape windowed(const char* op, const Shape& input, const Window& window, int64_t channels) {
  return {windowed(op, input.height, window, 0), windowed(op, input.width, window, 1), channels};
}

void expect_inputs(const Node& node, size_t count) {
  if (node.inputs.size() != count) {
    fail(op_name(node.op), "expected ", count, " inputs but got ", node.inputs.size());
  }
}

void expect_parameter(const Node& node, const char* what, const ParameterPlace& place, int64_t size, int64_t arena) {
  if (place.size != size) fail(op_name(node.op), "expected ", size, " elements of ", what, " but got ", place.size);
  if (place.offset < 0 || place.offset > arena - size) {
    fail(op_name(node.op), "expected ", what, " inside its arena of ", arena, " but got offset ", place.offset);
  }
}

class Validator {
 public:
  explicit Validator(const Graph& graph) : graph_(graph) {}

  void check(int id) {
    const Node& node = graph_.nodes[id];
    for (int input : node.inputs) {
      if (input < 0 || input >= id) fail(op_name(node.op), "expected inputs before node ", id, " but got ", input);
      if (graph_.nodes[input].op == Op::kSoftmaxCrossEntropy) {
        fail(op_name(node.op), "expected other inputs than a loss: a loss can only be the output");
      }
    }
    const Shape& shape = node.shape;
    if (shape.height < 1 || shape.width < 1 || shape.channels < 1 || shape.height > kMaxElements ||
        shape.width > kMaxElements || shape.channels > kMaxElements ||
        shape.height * static_cast<double>(shape.width) * shape.channels > kMaxElements) {
      fail(op_name(node.op), "expected sizes from 1 but got ", shape.height, "x", shape.width, "x", shape.channels);
    }
    const Shape expected = infer(node, id);
    if (!(expected == shape)) {
      fail(op_name(node.op), "expected output ", expected.height, "x", expected.width, "x", expected.channels,
           " but got ", shape.height, "x", shape.width, "x", shape.channels);
    }
  }

 private:
  const Shape& input(const Node& node, size_t index = 0) const { return graph_.nodes[node.inputs[index]].shape; }

  Shape infer(const Node& node, int id) {
    switch (node.op) {
      case Op::kInput:
      case Op::kZero:
        expect_inputs(node, 0);
        return node.shape;
      case Op::kConv2d:
        return infer_conv2d(node);
      case Op::kBatchNorm:
        check_batch_norm(node);
        return input(node);
      case Op::kRelu:
        expect_inputs(node, 1);
        return input(node);
      case Op::kMaxPool:
      case Op::kAvgPool:
        expect_inputs(node, 1);
        return infer_pool(node);
      case Op::kGlobalAvgPool:
        expect_inputs(node, 1);
        return {1, 1, input(node).channels};
      case Op::kLinear:
        return infer_linear(node);
      case Op::kAdd:
        return infer_add(node);
      case Op::kConcat:
        return infer_concat(node);
      case Op::kCrop: {
        expect_inputs(node, 1);
        if (node.top < 0 || node.left < 0) fail("crop", "expected offsets from 0");
        const Shape& in = input(node);
        return {in.height - node.top, in.width - node.left, in.channels};
      }
      case Op::kMixed:
        return infer_mixed(node, id);
      case Op::kSoftmaxCrossEntropy:
        check_loss(node);
        return {1, 1, 1};
      case Op::kDropout:
        expect_inputs(node, 1);
        if (!(node.rate >= 0 && node.rate < 1)) fail("dropout", "expected a rate from 0 to below 1");
        if (node.number < 0 || node.number >= 1 << 24) fail("dropout", "expected a number below 2^24");
        return input(node);
      case Op::kCombine:
      case Op::kSeparable:
      case Op::kMoments:
      case Op::kPooledMoments:
        break;
    }
    fail("graph", "unknown op");
  }

  void check_loss(const Node& node) {
    if (node.inputs.empty() || node.inputs.size() > kMostLogits) {
      fail("softmaxCrossEntropy", "expected 1 to ", kMostLogits, " inputs but got ", node.inputs.size());
    }
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (input(node, i).height * input(node, i).width != 1 || !(input(node, i) == input(node))) {
        fail("softmaxCrossEntropy", "expected vectors of logits of one length");
      }
    }
    if (!(node.smoothing >= 0 && node.smoothing < 1)) {
      fail("softmaxCrossEntropy", "expected a smoothing from 0 to below 1");
    }
  }

  Shape infer_pool(const Node& node) {
    const char* op = op_name(node.op);
    const Shape out = windowed(op, input(node), node.window, input(node).channels);
    for (int axis : {0, 1}) {
      if (2 * node.window.padding[axis] > node.window.kernel[axis] || node.window.dilation[axis] != 1) {
        fail(op, "expected padding of at most half the kernel and no dilation");
      }
    }
    if (node.window.kernel[0] * node.window.kernel[1] > 64) fail(op, "expected a window of at most 64");
    return out;
  }

  Shape infer_conv2d(const Node& node) {
    expect_inputs(node, 1);
    const Shape& in = input(node);
    if (node.groups < 1 || in.channels % node.groups != 0 || node.shape.channels % node.groups != 0) {
      fail("conv2d", "expected groups to divide ", in.channels, " and ", node.shape.channels, " but got ", node.groups);
    }
    const Shape out = windowed("conv2d", in, node.window, node.shape.channels);
    const int64_t taps = int64_t{node.window.kernel[0]} * node.window.kernel[1];
    const int64_t inputs = in.channels / node.groups;
    expect_parameter(node, "weight", node.weight, product("conv2d", taps * inputs, out.channels),
                     graph_.weight_elements);
    return out;
  }

  void check_batch_norm(const Node& node) {
    expect_inputs(node, 1);
    const int64_t channels = input(node).channels;
    expect_parameter(node, "running mean", node.running_mean, channels, graph_.buffer_elements);
    expect_parameter(node, "running variance", node.running_variance, channels, graph_.buffer_elements);
    if (bool(node.weight) != bool(node.bias)) fail("batchNorm", "expected both scale and shift or neither");
    if (node.weight) {
      expect_parameter(node, "scale", node.weight, channels, graph_.weight_elements);
      expect_parameter(node, "shift", node.bias, channels, graph_.weight_elements);
    }
  }

  Shape infer_linear(const Node& node) {
    expect_inputs(node, 1);
    const Shape& in = input(node);
    if (in.height * in.width != 1) fail("linear", "expected a vector but got ", in.height, "x", in.width, " pixels");
    if (!(node.window == Window{}) || node.groups != 1) fail("linear", "expected neither window nor groups");
    expect_parameter(node, "weight", node.weight, product("linear", in.channels, node.shape.channels),
                     graph_.weight_elements);
    expect_parameter(node, "bias", node.bias, node.shape.channels, graph_.weight_elements);
    return {1, 1, node.shape.channels};
  }

  Shape infer_add(const Node& node) {
    if (node.inputs.empty()) fail("add", "expected at least one input");
    for (size_t i = 1; i < node.inputs.size(); ++i) {
      if (!(input(node, i) == input(node))) fail("add", "expected inputs of one shape");
    }
    return input(node);
  }

  Shape infer_concat(const Node& node) {
    if (node.inputs.empty()) fail("concat", "expected at least one input");
    Shape out = input(node);
    for (size_t i = 1; i < node.inputs.size(); ++i) {
      if (input(node, i).height != out.height || input(node, i).width != out.width) {
        fail("concat", "expected inputs of one height and width");
      }
      out.channels += input(node, i).channels;
    }
    return out;
  }

  Shape infer_mixed(const Node& node, int id) {
    expect_inputs(node, node.branches.size() + 1);
    if (node.branches.empty()) fail("mixed", "expected at least one branch");
    expect_parameter(node, "alpha row", node.alpha, static_cast<int64_t>(node.branches.size()), graph_.alpha_elements);
    for (size_t k = 0; k < node.branches.size(); ++k) {
      const Branch& branch = node.branches[k];
      if (branch.begin < 0 || branch.begin > branch.end || branch.end > id || branch.output != node.inputs[k + 1]) {
        fail("mixed", "expected branch ", k, " within nodes before ", id);
      }
      if (!(input(node, k + 1) == input(node, 1))) fail("mixed", "expected branches of one shape");
    }
    return input(node, 1);
  }

  const Graph& graph_;
};

// Throws where two places share elements without being the same, or are the same and `exclusive`.
void expect_disjoint(const char* what, std::vector<ParameterPlace> places, bool exclusive) {
  std::ranges::sort(places, {}, &ParameterPlace::offset);
  for (size_t i = 1; i < places.size(); ++i) {
    const ParameterPlace &a = places[i - 1], &b = places[i];
    const bool same = a.offset == b.offset && a.size == b.size;
    if (a.offset + a.size > b.offset && (exclusive || !same)) fail("graph", "expected ", what, " that do not overlap");
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
  expect_disjoint("weights", std::move(weights), true);
  expect_disjoint("running statistics", std::move(buffers), true);
  expect_disjoint("alpha rows", std::move(alpha), false);
}

}  // namespace

const char* op_name(Op op) {
  return kOpNames[static_cast<int>(op)];
}

Op op_from_name(const std::string& name) {
  for (int i = 0; i < kGraphOpCount; ++i) {
    if (name == kOpNames[i]) return static_cast<Op>(i);
  }
  fail("graph", "expected a known op but got '", name, "'");
}

void validate(const Graph& graph) {
  if (graph.output < 0 || graph.output >= static_cast<int>(graph.nodes.size())) {
    fail("graph", "expected an output among ", graph.nodes.size(), " nodes but got ", graph.output);
  }
  Validator validator(graph);
  for (size_t id = 0; id < graph.nodes.size(); ++id) validator.check(static_cast<int>(id));
  check_places(graph);
}

}  // namespace dartsmith
