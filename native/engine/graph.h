// The graph as the engine sees it: src/graph/graph.ts with names resolved to places in the parameter arenas.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace dartsmith {

enum class Op {
  kInput,
  kConv2d,
  kBatchNorm,
  kRelu,
  kMaxPool,
  kAvgPool,
  kGlobalAvgPool,
  kLinear,
  kAdd,
  kConcat,
  kCrop,
  kZero,
  kMixed,
  kSoftmaxCrossEntropy,
  kDropout,
  // Made by lowering (engine/lower.h), never by users:
  kCombine,        // sum of weighed inputs, each normalised while it is loaded where it is a lazy batch-norm
  kSeparable,      // relu, depthwise, pointwise, and the statistics of the batch-norm that follows
  kMoments,        // the statistics of a lazy batch-norm; its value is its input
  kPooledMoments,  // the same of a pooling of its input, which whoever normalises it pools again instead of loading it
};
inline constexpr int kGraphOpCount = 15;
inline constexpr int kOpCount = 19;

// Ops that only measure their input: their value is its value.
inline bool borrows_value(Op op) {
  return op == Op::kMoments || op == Op::kPooledMoments;
}

// The graph's name of an op, as in src/graph/graph.ts.
const char* op_name(Op op);
// Throws Error for a name that no op has.
Op op_from_name(const std::string& name);

// Of one sample, batch left out; a vector [C] is 1 x 1 x C.
struct Shape {
  int64_t height = 1;
  int64_t width = 1;
  int64_t channels = 1;
  bool operator==(const Shape&) const = default;
  int64_t elements() const { return height * width * channels; }
};

// Vertical, then horizontal. Lowering makes the padding of a convolution of a crop negative.
struct Window {
  int kernel[2] = {1, 1};
  int stride[2] = {1, 1};
  int padding[2] = {0, 0};
  int dilation[2] = {1, 1};
  bool operator==(const Window&) const = default;
};

// A parameter's place in the arenas of its role, in elements; size 0 where the node has none.
struct ParameterPlace {
  int64_t offset = 0;
  int64_t size = 0;
  explicit operator bool() const { return size > 0; }
};

enum class MixingActivation { kSoftmax, kSigmoid };

// Nodes [begin, end) are the branch's own; `output` is what is weighed.
struct Branch {
  int begin = 0;
  int end = 0;
  int output = 0;
};

// Inputs that a loss may have: the network's logits and those of auxiliary heads.
inline constexpr int kMostLogits = 4;

struct Node {
  Op op = Op::kInput;
  std::vector<int> inputs;
  Shape shape;
  Window window;                          // conv2d, maxPool, avgPool, separable, pooledMoments
  int groups = 1;                         // conv2d
  bool count_include_pad = false;         // avgPool
  Op pool = Op::kInput;                   // pooledMoments: maxPool or avgPool, with its window
  float epsilon = 0;                      // batchNorm
  float momentum = 0;                     // batchNorm
  int top = 0, left = 0;                  // crop
  float rate = 0;                         // dropout
  bool whole_samples = false;             // dropout
  int number = 0;                         // dropout: tells those of a graph apart
  float smoothing = 0;                    // softmaxCrossEntropy
  float loss_weights[kMostLogits] = {1};  // softmaxCrossEntropy: one an input
  ParameterPlace weight;                  // conv2d, linear, batchNorm's scale, separable's depthwise weight
  ParameterPlace bias;                    // linear, batchNorm's shift, separable's pointwise weight
  ParameterPlace scale, shift;  // of the lazy batch-norm that a separable or moments node holds the statistics of
  ParameterPlace running_mean;  // batchNorm, in the buffer arena
  ParameterPlace running_variance;
  ParameterPlace alpha;  // mixed: its row in the alpha arena
  MixingActivation activation = MixingActivation::kSoftmax;
  std::vector<Branch> branches;
  std::string name;  // input
};

struct Graph {
  std::vector<Node> nodes;
  int output = 0;
  // Elements of the arenas that the places above refer to.
  int64_t weight_elements = 0;
  int64_t buffer_elements = 0;
  int64_t alpha_elements = 0;
};

// Checks every node: inputs earlier, shapes as the op implies, parameters inside their arenas and of the right size.
// Throws Error naming the op and what was expected.
void validate(const Graph& graph);

}  // namespace dartsmith
