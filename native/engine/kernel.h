// What a backend's kernels take and how the engine finds them. No std templates here: this header is also compiled with
// instruction sets that the running machine may lack, and a shared inline function of theirs must not be picked by
// others.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "engine/attributes.h"
#include "engine/philox.h"

namespace dartsmith {

// What a program computes with. kFp32 is exact. kTf32 multiplies on tensor cores with 11 bits of precision. kBf16 also
// stores activations in half the memory, rounded to 8 bits before anything else is computed from them: which ones, a
// backend says (Backend::halves_images). Sums are float32 always.
enum class Precision { kFp32, kTf32, kBf16 };

// The upper half of a float.
struct Bfloat16 {
  uint16_t bits;
};

// Of one stored number.
DARTSMITH_ANY_DEVICE int64_t element_bytes(Precision precision) {
  return precision == Precision::kBf16 ? 2 : 4;
}

// [batch, height, width, channels], channels contiguous.
struct Tensor {
  float* data = nullptr;  // of Bfloat16 where the precision says so
  int64_t batch = 0;
  int64_t height = 1;
  int64_t width = 1;
  int64_t channels = 1;
  Precision precision = Precision::kFp32;
};

enum class GradientMode { kIgnore, kOverwrite, kAccumulate };

// Where a gradient goes, or nowhere.
struct GradientTarget {
  float* data = nullptr;  // of Bfloat16 where the precision says so
  GradientMode mode = GradientMode::kIgnore;
  Precision precision = Precision::kFp32;
};

// kBatch normalises with the batch's own statistics, kBatchUpdating also moves the running ones. kKept: an earlier
// forward left them, only the value is computed again.
enum class Statistics { kRunning, kBatch, kBatchUpdating, kKept };
DARTSMITH_ANY_DEVICE constexpr bool measures(Statistics statistics) {
  return statistics == Statistics::kBatch || statistics == Statistics::kBatchUpdating;
}

// What comes with an input beside its tensor. A normalised input holds what a lazy batch-norm would normalise: the
// kernel applies `statistics` while loading, and its backward leaves the gradient of the tensor itself not as a tensor
// but as a map over channels, d = A * g + B * x + D, for the kernel that produced the tensor to apply.
struct InputLink {
  const PoolAttributes* pool = nullptr;        // combine: the input is this pooling of the tensor, which nobody stored
  const DropoutAttributes* dropout = nullptr;  // combine: drops whole samples of the input, once it is normalised
  bool activated = false;                      // conv2d: the input is the relu of the tensor, which nobody stored
  const float* statistics = nullptr;           // mean, reciprocal deviation [2, channels]; null for a plain input
  const float* scale = nullptr;                // what the normalised input is multiplied by and
  const float* shift = nullptr;                // then moved by, [channels] each; null for neither
  float* scale_gradient = nullptr;             // backward, overwritten; null when not wanted
  float* shift_gradient = nullptr;
  float* gradient_map = nullptr;      // backward of a normalised input: A, B, D [3, channels]
  const float* mixing = nullptr;      // combine: the input's weight; null for 1
  double* mixing_gradient = nullptr;  // combine: dL/dweight, accumulated; null when not wanted
};

struct LossResult {
  double loss = 0;
  int64_t correct = 0;
};

// What dropout and noise nodes draw from. `path_factor` multiplies the rates of those that drop whole samples,
// `noise_scale` what noise nodes add; nothing is added where it is not `active`, and nothing dropped unless it `drops`,
// too.
struct DropoutSettings {
  RandomStream stream;
  float path_factor = 1;
  float noise_scale = 1;
  int32_t active = 0;
  int32_t drops = 1;
};

// Of batch-norms, and of ops that hold the statistics of one.
struct NormCall {
  Statistics statistics = Statistics::kBatch;
  BatchNormAttributes attributes;
  float* running_mean = nullptr;
  float* running_variance = nullptr;
};

// Of losses.
struct LossCall {
  const int32_t* labels = nullptr;     // [batch], behind them the partners'
  const float* label_share = nullptr;  // of a sample's own label; null for all
  LossResult* result = nullptr;
  float weight = 1;                   // in the sum whose gradient is wanted
  const LossResult* terms = nullptr;  // of a sum: the results of its inputs, one after another
};

// Of ops that work on sequences: samples are times x columns, time after time.
struct SequenceCall {
  int64_t columns = 1;
  const float* masks[2] = {};         // as the op's descriptor has them; null for none
  const float* hidden = nullptr;      // of a recurrent cell: the first state [columns, channels]; null for zeros
  const float* mixing = nullptr;      // of a searched one: its mixing weights [pairs, candidates]
  double* mixing_gradient = nullptr;  // accumulated; null when not wanted
};

// One node's forward or backward on a backend; pointers are the backend's memory. Backward kernels overwrite parameter
// gradients and treat each input gradient by its mode; a null or ignored target is not computed.
struct KernelCall {
  const void* attributes = nullptr;  // the op's own: see attributes_of()
  const Tensor* inputs = nullptr;
  int input_count = 0;
  Precision precision = Precision::kFp32;  // of products, where the backend's products have one
  const InputLink* links = nullptr;        // one an input
  Tensor output;
  float* saved = nullptr;     // what forward leaves for backward: as many floats as the op's descriptor says
  void* workspace = nullptr;  // workspace_bytes() of scratch, dead after the call
  const float* weight = nullptr;
  const float* bias = nullptr;
  const NormCall* norm = nullptr;            // null for ops that normalise nothing
  const LossCall* loss = nullptr;            // null for ops that are no loss
  const SequenceCall* sequence = nullptr;    // null where a program knows of no sequences
  const DropoutSettings* dropout = nullptr;  // what this and neighbouring dropout and noise nodes draw from
  // Backward only.
  const float* output_gradient = nullptr;           // null for the loss itself: its gradient is 1
  Precision gradient_precision = Precision::kFp32;  // of the output's gradient as it is stored
  const float* output_gradient_map = nullptr;       // A, B, D of an output that its consumer normalised: see InputLink
  const DropoutAttributes* output_dropout = nullptr;  // what dropped samples of it then: their g is 0, others' larger
  bool fixed_statistics = false;  // batch-norms normalise with the running ones: no gradient flows through these
  const GradientTarget* input_gradients = nullptr;
  float* weight_gradient = nullptr;
  float* bias_gradient = nullptr;
};

// What a gradient through the statistics of so many pixels is divided by: none flows through fixed ones.
DARTSMITH_ANY_DEVICE double statistics_pixels(const KernelCall& call, int64_t pixels) {
  return call.fixed_statistics ? HUGE_VAL : static_cast<double>(pixels);
}

// A call's attributes, of the type that its op has.
template <typename T>
DARTSMITH_ANY_DEVICE const T& attributes_of(const KernelCall& call) {
  return *static_cast<const T*>(call.attributes);
}

// A backend's execution resource (thread pool, CUDA stream): kernels cast it to their own.
class Stream {
 protected:
  ~Stream() = default;
};

// One op's kernels; `workspace_bytes` says what one call of either direction needs, null for nothing. It looks at the
// call's attributes, shapes and precision, and at whether a weight gradient is wanted and samples are dropped behind
// it.
struct OpKernels {
  void (*forward)(Stream&, const KernelCall&) = nullptr;
  void (*backward)(Stream&, const KernelCall&) = nullptr;
  size_t (*workspace_bytes)(const KernelCall&, bool backward) = nullptr;
  // Whether the members of a group may read different inputs and differ in shape.
  bool groups_inputs = false;
  // Whether members that read one input may pool it in different ways: of pooledMoments.
  bool groups_poolings = false;
  // Whether inputs may be dropped by whole samples on the way in (InputLink::dropout): of combine.
  bool drops_inputs = false;
  // Whether a call may read its inputs through a relu (InputLink::activated), or several tensors of one shape as if
  // they were concatenated (the call's attributes and shapes say which): of conv2d; null for none.
  bool (*activates_inputs)(const KernelCall&) = nullptr;
  bool (*joins_inputs)(const KernelCall&) = nullptr;
  // Whether members that read one input may run backward together: the gradient that they share is summed as below.
  bool sums_inputs = false;
  // Instead of the former for ops that take all their nodes of one input at once (Step). The calls want the same kinds
  // of gradient; the first call's mode is that of the sum of their input gradients.
  void (*forward_group)(Stream&, const KernelCall* calls, int count) = nullptr;
  void (*backward_group)(Stream&, const KernelCall* calls, int count) = nullptr;
};

// Sweeps find the numbers that change from run to run in device memory, so that a recorded run can be replayed with
// others.
struct SgdSettings {
  float learning_rate, momentum, weight_decay, max_norm;
  int32_t nesterov = 0;  // a step looks ahead, past the momentum that it leaves
};

struct SgdUpdate {
  float* weights;
  float* momentum_buffer;
  const float* gradients;
  int64_t count;
  const double* squared_norm;  // of the gradients
  const SgdSettings* settings;
};

struct AdamSettings {
  double learning_rate, beta1, beta2, epsilon, weight_decay, max_norm;
  int64_t step;
};

struct AdamUpdate {
  float* values;
  float* mean;
  float* variance;
  const float* gradients;
  int64_t count;
  const double* squared_norm;  // of the gradients; null where nothing is clipped
  const AdamSettings* settings;
};

// What gradients of a norm are multiplied by so that it is at most the largest one. The published code's clipping adds
// 1e-6 to the norm.
DARTSMITH_ANY_DEVICE float clip_factor(double squared_norm, double max_norm) {
  const double ratio = max_norm / (sqrt(squared_norm) + 1e-6);
  return ratio < 1 ? static_cast<float>(ratio) : 1.0f;
}

struct ClipSettings {
  double max_norm;
};

// gradients *= clip_factor
struct GradientClip {
  float* gradients;
  int64_t count;
  const double* squared_norm;  // of all that are clipped together
  const ClipSettings* settings;
};

struct AverageSettings {
  float decay;
};

// average = decay * average + (1 - decay) * values
struct AverageUpdate {
  float* average;
  const float* values;
  int64_t count;
  const AverageSettings* settings;
};

struct HypergradientSettings {
  float learning_rate, momentum, weight_decay, radius;
  float max_norm = HUGE_VALF;  // of the training gradient, and of v
  int32_t unclamped = 0;       // the finite difference is multiplied by what clips the training gradient even above 1
};

// What the training gradient is multiplied by, and the finite difference.
DARTSMITH_ANY_DEVICE float training_factor(const HypergradientSettings& settings, double squared_norm) {
  return clip_factor(squared_norm, settings.max_norm);
}
DARTSMITH_ANY_DEVICE double difference_factor(const HypergradientSettings& settings, double squared_norm) {
  if (!settings.unclamped) return training_factor(settings, squared_norm);
  return settings.max_norm / (sqrt(squared_norm) + 1e-6);
}

// |v| once it is clipped.
DARTSMITH_ANY_DEVICE double clipped_direction_norm(const HypergradientSettings& settings, double squared_norm) {
  return sqrt(squared_norm) * clip_factor(squared_norm, settings.max_norm);
}

// w' = w - rate * (momentum * m + g + decay * w), g clipped
struct UnrolledStep {
  float* unrolled;
  const float* weights;
  const float* momentum_buffer;
  const float* gradients;
  int64_t count;
  const double* squared_norm;  // of the gradients
  const HypergradientSettings* settings;
};

// w+ = w + sign * (radius / |v|) * v; with v = 0 nothing moves.
struct Perturbation {
  float* perturbed;
  const float* weights;
  const float* direction;
  int64_t count;
  const double* squared_norm;  // of the direction
  const HypergradientSettings* settings;
  float sign;
};

// target -= rate * difference_factor * (plus - minus) / (2 * radius / |v|), v clipped; with v = 0 nothing is
// subtracted.
struct HypergradientCombination {
  float* target;
  const float* plus;
  const float* minus;
  int64_t count;
  const double* squared_norm;           // of v
  const double* training_squared_norm;  // of the training gradient
  const HypergradientSettings* settings;
};

// How images are augmented; nothing is where `random` is not set. Below 1, `share` is an image's own part of what
// becomes of it; the rest is that of its partner.
// Chances of an image's own are counted in these: they are compared with the 31 bits of a word that no other choice
// takes.
constexpr uint32_t kCertain = uint32_t{1} << 31;

struct GatherSettings {
  RandomStream stream;
  int32_t random, flip;
  int32_t pad, cutout;
  uint32_t cutout_chance = kCertain;
  float share = 1;
};

// The sample that is mixed with a sample of a batch (mixup), and that it is the partner of.
constexpr int64_t partner_of(int64_t sample, int64_t batch) {
  return batch - 1 - sample;
}

// A batch of images gathered from uint8 [count, height, width, channels] into float [batch, height, width, channels].
struct GatherCall {
  const uint8_t* images;
  const int32_t* all_labels;
  const uint32_t* indices;  // [batch]
  float* output;
  int32_t* labels;  // [2, batch]: own ones, the partners'
  int64_t batch, height, width, channels;
  const float* table;  // [channels, 256]: a pixel value after normalisation
  const GatherSettings* settings;
};

// How the mixing weights of a row come about: from its architecture parameters, or given with a pass.
enum class MixingForm { kSoftmax, kSigmoid, kGiven };

// One row of architecture parameters: `values` [length] within arenas.
struct MixingRow {
  int64_t offset;
  int64_t length;
  MixingForm form;
};

// Of mixing weights m, or of the architecture parameters themselves: what a penalty adds up, entry by entry or (kBeta)
// row by row. FairDARTS (arXiv:1911.12126, equations 5 and 6), CDARTS, beta-DARTS (arXiv:2203.01665, equation 11).
enum class PenaltyForm {
  kZeroOneL2,  // -(m - 0.5)^2
  kZeroOneL1,  // -|m - 0.5|
  kL1,         // |alpha|
  kBeta        // the logarithm of the sum of exp(alpha) over the row
};

struct PenaltySettings {
  double weight;  // of the penalty in the loss whose gradient alpha follows
  double share;   // of an entry's (kBeta: a row's) term in the penalty: 1 divided by their number for a mean
};

// Adds weight times the penalty's gradient to `gradients` and leaves the penalty itself in `result`.
struct PenaltyCall {
  PenaltyForm form;
  const float* alpha;
  float* gradients;
  const MixingRow* rows;   // [row_count]
  const uint8_t* counted;  // by place in the arena: whether the entry counts; rows of kBeta count whole
  int64_t row_count;
  const PenaltySettings* settings;
  double* result;
};

// What a device does at best, measured.
struct Peak {
  double flops_per_second = 0;  // multiply-adds count twice
  double bytes_per_second = 0;  // read from memory
};

// Whole-arena sweeps and small helpers, beside the kernels of ops.
struct Sweeps {
  // Adds to what `result` holds where it `adds`, as of several parts of an arena one after another.
  void (*squared_norm)(Stream&, const float* values, int64_t count, double* result, void* workspace, bool adds);
  size_t (*squared_norm_workspace_bytes)(int64_t count);
  void (*sgd)(Stream&, const SgdUpdate&);
  void (*adam)(Stream&, const AdamUpdate&);
  void (*clip)(Stream&, const GradientClip&);
  void (*average)(Stream&, const AverageUpdate&);
  // target += values
  void (*accumulate)(Stream&, float* target, const float* values, int64_t count);
  void (*unrolled_step)(Stream&, const UnrolledStep&);
  void (*perturb)(Stream&, const Perturbation&);
  void (*combine_hypergradient)(Stream&, const HypergradientCombination&);
  void (*gather)(Stream&, const GatherCall&);
  // A mask of so many elements: see Dropping. One where nothing is dropped.
  void (*draw_mask)(Stream&, float* mask, int64_t count, const MaskAttributes&, const DropoutSettings*);
  // Rows that are given are passed over.
  void (*mixing_forward)(Stream&, const MixingRow* rows, int64_t count, const float* alpha, float* mixing);
  // Jacobian of the activation applied to dL/dp; overwrites `alpha_gradients`. That of a given row is dL/dp itself.
  void (*mixing_backward)(Stream&, const MixingRow* rows, int64_t count, const float* mixing,
                          const double* mixing_gradients, float* alpha_gradients);
  // Rows and settings lie in device memory.
  void (*penalty)(Stream&, const PenaltyCall&);
  Peak (*measure_peak)(Stream&);
};

}  // namespace dartsmith
