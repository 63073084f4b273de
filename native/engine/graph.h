// The graph as the engine sees it: src/graph/graph.ts with names resolved to places in the parameter arenas.
#pragma once
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "engine/attributes.h"
#include "engine/op.h"

namespace dartsmith {

// The graph's name of an op, as in src/graph/graph.ts.
const char* op_name(Op op);
// Throws Error for a name that no op of graphs has.
Op op_from_name(const std::string& name);

// Of one sample, batch left out; a vector [C] is 1 x 1 x C.
struct Shape {
  int64_t height = 1;
  int64_t width = 1;
  int64_t channels = 1;
  bool operator==(const Shape&) const = default;
  int64_t elements() const { return height * width * channels; }
};

// A parameter's place in the arenas of its role, in elements; size 0 where the node has none.
struct ParameterPlace {
  int64_t offset = 0;
  int64_t size = 0;
  explicit operator bool() const { return size > 0; }
};

// What inputs are called in batches.
struct InputAttributes {
  std::string name;
  int below = 0;  // integers below it; 0 for numbers
  bool operator==(const InputAttributes&) const = default;
};

enum class MixingActivation { kSoftmax, kSigmoid };

// Nodes [begin, end) are the branch's own; `output` is what is weighed.
struct Branch {
  int begin = 0;
  int end = 0;
  int output = 0;
  bool operator==(const Branch&) const = default;
};

struct MixedAttributes {
  MixingActivation activation = MixingActivation::kSoftmax;
  bool runs_all = false;  // branches run also where their weight is given as 0
  std::vector<Branch> branches;
  bool operator==(const MixedAttributes&) const = default;
};

// An op's own; nothing for most.
using Attributes = std::variant<std::monostate, InputAttributes, Conv2dAttributes, BatchNormAttributes, PoolAttributes,
                                CropAttributes, MixedAttributes, SoftmaxCrossEntropyAttributes, DropoutAttributes,
                                ScaleAttributes, SoftmaxScaleAttributes, NoiseAttributes, DistillationAttributes,
                                LossSumAttributes, SeparableAttributes, PooledMomentsAttributes, EmbeddingAttributes,
                                TiedCrossEntropyAttributes, VariationalDropoutAttributes, RecurrentCellAttributes>;

struct Node {
  Op op = Op::kInput;
  std::vector<int> inputs;
  Shape shape;
  Attributes attributes;
  // conv2d, linear, softmaxScale, batchNorm's scale, separable's depthwise weight, embedding, tiedLinear; of a
  // recurrent cell all matrices: see RecurrentWeights
  ParameterPlace weight;
  ParameterPlace bias;          // linear, batchNorm's shift, separable's pointwise weight
  ParameterPlace scale, shift;  // of the lazy batch-norm that a separable or moments node holds the statistics of
  ParameterPlace running_mean;  // batchNorm and what holds its statistics, in the buffer arena
  ParameterPlace running_variance;
  ParameterPlace alpha;  // mixed: its row in the alpha arena; recurrentCell: its rows

  // The attributes, of the type that the op has.
  template <typename T>
  const T& own() const {
    return std::get<T>(attributes);
  }
};

// Where the attributes lie, for kernels: attributes_of() of a KernelCall.
const void* attributes_address(const Node& node);

struct Graph {
  std::vector<Node> nodes;
  int output = 0;
  // Elements of the arenas that the places above refer to.
  int64_t weight_elements = 0;
  int64_t buffer_elements = 0;
  int64_t alpha_elements = 0;
  int64_t state_elements = 0;
};

// Checks every node: inputs earlier, shapes as the op implies, parameters inside their arenas and of the right size.
// Throws Error naming the op and what was expected.
void validate(const Graph& graph);

}  // namespace dartsmith
