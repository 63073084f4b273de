// What single ops have beside inputs, shape and parameters. Plain data: kernels read it too, for which engine/kernel.h
// tells why nothing here may need a std template.
#pragma once

namespace dartsmith {

// Vertical, then horizontal. Lowering makes the padding of a convolution of a crop negative.
struct Window {
  int kernel[2] = {1, 1};
  int stride[2] = {1, 1};
  int padding[2] = {0, 0};
  int dilation[2] = {1, 1};
  bool operator==(const Window&) const = default;
};

struct Conv2dAttributes {
  Window window;
  int groups = 1;
  bool operator==(const Conv2dAttributes&) const = default;
};

// batchNorm, moments.
struct BatchNormAttributes {
  float epsilon = 0;
  float momentum = 0;
  bool operator==(const BatchNormAttributes&) const = default;
};

// maxPool, avgPool.
struct PoolAttributes {
  Window window;
  bool takes_max = false;
  bool count_include_pad = false;
  bool operator==(const PoolAttributes&) const = default;
};

struct CropAttributes {
  int top = 0, left = 0;
  bool operator==(const CropAttributes&) const = default;
};

struct DropoutAttributes {
  float rate = 0;
  bool whole_samples = false;
  int number = 0;  // tells those of a graph apart
  bool operator==(const DropoutAttributes&) const = default;
};

struct ScaleAttributes {
  float factor = 1;
  bool operator==(const ScaleAttributes&) const = default;
};

// An entry of the softmax of so many weights.
struct SoftmaxScaleAttributes {
  int count = 1;
  int index = 0;
  bool operator==(const SoftmaxScaleAttributes&) const = default;
};

struct NoiseAttributes {
  bool integers = false;  // -3 to 2, each as likely; standard normal numbers otherwise
  bool always = false;    // part of what is computed: drawn in every pass, never scaled
  int number = 0;         // tells those of a graph apart, dropouts among them
  bool operator==(const NoiseAttributes&) const = default;
};

// Inputs that a loss may have: the network's logits and those of auxiliary heads.
inline constexpr int kMostLogits = 4;

struct SoftmaxCrossEntropyAttributes {
  float smoothing = 0;
  float weights[kMostLogits] = {1};  // one an input
  bool operator==(const SoftmaxCrossEntropyAttributes&) const = default;
};

struct DistillationAttributes {
  float temperature = 1;
  bool operator==(const DistillationAttributes&) const = default;
};

// Losses that a sum may have.
inline constexpr int kMostLosses = 16;

struct LossSumAttributes {
  int count = 0;
  float weights[kMostLosses] = {};  // one an input
  int counted = -1;                 // the input whose hits are those of the sum; none where no input has any
  bool operator==(const LossSumAttributes&) const = default;
};

// Relu, depthwise convolution of this window, pointwise convolution, and the statistics of this batch-norm.
struct SeparableAttributes {
  Window window;
  BatchNormAttributes norm;
  bool operator==(const SeparableAttributes&) const = default;
};

// The statistics of this batch-norm of this pooling.
struct PooledMomentsAttributes {
  PoolAttributes pool;
  BatchNormAttributes norm;
  bool operator==(const PooledMomentsAttributes&) const = default;
};

// A dropout that is the same at all times of a sequence; a rate of 0 for none.
struct MaskAttributes {
  float rate = 0;
  int number = 0;  // tells those of a graph that draw apart
  bool operator==(const MaskAttributes&) const = default;
};

// `count` rows of the table, of which the mask drops whole ones.
struct EmbeddingAttributes {
  int count = 0;
  MaskAttributes mask;
  bool operator==(const EmbeddingAttributes&) const = default;
};

struct TiedCrossEntropyAttributes {
  int classes = 0;
  bool operator==(const TiedCrossEntropyAttributes&) const = default;
};

struct VariationalDropoutAttributes {
  MaskAttributes mask;
  bool operator==(const VariationalDropoutAttributes&) const = default;
};

// Of an edge of a recurrent cell; numbered as in src/graph/graph.ts. kNone adds nothing.
enum class RecurrentActivation { kNone, kTanh, kRelu, kSigmoid, kIdentity };
inline constexpr int kRecurrentActivations = 5;

// Nodes of a recurrent cell, without that of input and hidden state, which is 0.
inline constexpr int kMostRecurrentNodes = 16;

// What leads to a node of a derived cell.
struct RecurrentEdge {
  RecurrentActivation activation = RecurrentActivation::kNone;
  int from = 0;
  bool operator==(const RecurrentEdge&) const = default;
};

// A searched cell has candidates, and normalises; a derived one has edges.
struct RecurrentCellAttributes {
  int nodes = 0;
  int output_count = 0;
  int outputs[kMostRecurrentNodes] = {};
  int candidate_count = 0;
  RecurrentActivation candidates[kRecurrentActivations] = {};
  BatchNormAttributes norm;
  RecurrentEdge edges[kMostRecurrentNodes] = {};  // of nodes 1, 2, ...
  MaskAttributes input_mask, hidden_mask;
  bool operator==(const RecurrentCellAttributes&) const = default;
};

}  // namespace dartsmith
