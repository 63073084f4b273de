// softmaxCrossEntropy, distillation, smoothL1, meanSquaredError, cosineDistance, meanSquare, slowness, lossSum; and
// detach, which stands before them. One block for logits and pairs of vectors: a batch of outputs is small.
#include "cuda/elementwise.cuh"
#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "engine/losses.h"

namespace dartsmith::cuda {
namespace {

using elementwise::kItemsATask;
using elementwise::Place;

struct Parts {
  double* losses;  // [kThreads]
  __host__ __device__ explicit Parts(Shared& shared) : losses(shared.take<double>(kThreads)) {}
};

// Both inputs [batch, channels].
struct Pair {
  const float *first, *second;
  int64_t batch, channels;
};

// A sample of a loss: loss() and slope(input, c).
struct DistilledSample {
  struct Own {
    float temperature;
  };
  Distilled distilled;

  __device__ DistilledSample(const Pair& pair, const Own& own, int64_t n)
      : distilled(pair.first + n * pair.channels, pair.second + n * pair.channels, pair.channels, own.temperature) {}
  __device__ double loss() const { return distilled.loss(); }
  __device__ double slope(int input, int64_t c) const {
    return input == 0 ? distilled.student_slope(c) : distilled.teacher_slope(c);
  }
};

// Of losses that know of nothing but two vectors.
template <typename Loss>
struct PairSample : Loss {
  struct Own {};

  __device__ PairSample(const Pair& pair, const Own&, int64_t n)
      : Loss(pair.first + n * pair.channels, pair.second + n * pair.channels, pair.channels) {}
};

template <typename Sample>
__global__ void __launch_bounds__(kThreads)
    pair_forward_kernel(Pair pair, typename Sample::Own own, float* losses, LossResult* result) {
  begin_kernel();
  Shared shared(shared_memory());
  const Parts parts(shared);
  double sum = 0;
  for (int64_t n = threadIdx.x; n < pair.batch; n += kThreads) {
    const double loss = Sample(pair, own, n).loss();
    losses[n] = static_cast<float>(loss);
    sum += loss;
  }
  parts.losses[threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.x != 0) return;
  double total = 0;
  for (int t = 0; t < kThreads; ++t) total += parts.losses[t];
  *result = {total / static_cast<double>(pair.batch), 0};
}

template <typename Sample>
__global__ void __launch_bounds__(kThreads) pair_backward_kernel(Pair pair, typename Sample::Own own, double share,
                                                                 GradientTarget first, GradientTarget second) {
  begin_kernel();
  for_grid(pair.batch, [&](Index n) {
    const Sample sample(pair, own, n);
    for (int input = 0; input < 2; ++input) {
      const GradientTarget& target = input == 0 ? first : second;
      if (target.mode == GradientMode::kIgnore) continue;
      float* gradients = target.data + n * pair.channels;
      for (int64_t c = 0; c < pair.channels; ++c) {
        const float slope = static_cast<float>(share * sample.slope(input, c));
        gradients[c] = (target.mode == GradientMode::kAccumulate ? gradients[c] : 0) + slope;
      }
    }
  });
}

Pair pair_of(const KernelCall& call) {
  return {call.inputs[0].data, call.inputs[1].data, call.inputs[0].batch, call.inputs[0].channels};
}

template <typename Sample>
void forward(Stream& stream, const KernelCall& call, const typename Sample::Own& own) {
  launch(CudaStream::of(stream), pair_forward_kernel<Sample>, {1, shared_bytes<Parts>()}, pair_of(call), own,
         call.output.data, call.loss->result);
}

template <typename Sample>
void backward(Stream& stream, const KernelCall& call, const typename Sample::Own& own) {
  const Pair pair = pair_of(call);
  const double share = call.loss->weight / static_cast<double>(pair.batch);
  launch(CudaStream::of(stream), pair_backward_kernel<Sample>, a_thread_each(pair.batch), pair, own, share,
         call.input_gradients[0], call.input_gradients[1]);
}

DistilledSample::Own temperature_of(const KernelCall& call) {
  return {attributes_of<DistillationAttributes>(call).temperature};
}

// Mean squares, a warp a sample: batches of sequences are long. See SquaredValues.
template <typename Term>
__global__ void __launch_bounds__(kThreads)
    square_forward_kernel(Term term, int64_t batch, double share, float* losses) {
  begin_kernel();
  for_warps(batch, [&](Index n) {
    double sum = 0;
    for (int64_t c = threadIdx.x % kLanes; n < term.samples && c < term.channels; c += kLanes) {
      sum += term.at(n, c) * term.at(n, c);
    }
    sum = warp_sum(sum);
    if (threadIdx.x % kLanes == 0) losses[n] = static_cast<float>(share * sum);
  });
}

struct MeanParts {
  double* sums;  // [kWarps]
  __host__ __device__ explicit MeanParts(Shared& shared) : sums(shared.take<double>(kWarps)) {}
};

__global__ void __launch_bounds__(kThreads) mean_kernel(const float* losses, int64_t batch, LossResult* result) {
  begin_kernel();
  Shared shared(shared_memory());
  const MeanParts parts(shared);
  double sum = 0;
  for (int64_t n = threadIdx.x; n < batch; n += kThreads) sum += losses[n];
  sum = block_sum(sum, parts.sums);
  if (threadIdx.x == 0) *result = {sum / static_cast<double>(batch), 0};
}

template <typename Term>
__global__ void __launch_bounds__(kThreads)
    square_backward_kernel(Term term, int64_t batch, double share, float* gradients, bool accumulate) {
  begin_kernel();
  for_grid(batch * term.channels, [&](Index item) {
    const Index channels = static_cast<Index>(term.channels);
    const float slope = static_cast<float>(share * term.slope(item / channels, item % channels));
    gradients[item] = (accumulate ? gradients[item] : 0) + slope;
  });
}

template <typename Term>
void square_forward(Stream& stream, const KernelCall& call) {
  const Term term(call);
  const int64_t batch = call.inputs[0].batch;
  launch(CudaStream::of(stream), square_forward_kernel<Term>, {divide_up(batch, kWarps)}, term, batch,
         term.share() * static_cast<double>(batch), call.output.data);
  launch(CudaStream::of(stream), mean_kernel, {1, shared_bytes<MeanParts>()}, call.output.data, batch,
         call.loss->result);
}

template <typename Term>
void square_backward(Stream& stream, const KernelCall& call) {
  const auto [target, mode, precision] = call.input_gradients[0];
  if (mode == GradientMode::kIgnore) return;
  const Term term(call);
  const int64_t batch = call.inputs[0].batch;
  view_of(call.inputs[0]);  // refuses what 32 bits do not count
  launch(CudaStream::of(stream), square_backward_kernel<Term>, a_thread_each(batch * term.channels), term, batch,
         2 * call.loss->weight * term.share(), target, mode == GradientMode::kAccumulate);
}

struct Terms {
  const float* losses[kMostLosses];  // [batch] each
  LossSumAttributes sum;
};

__global__ void __launch_bounds__(kThreads) sum_kernel(DARTSMITH_ARGUMENT(Terms) terms, const LossResult* results,
                                                       int64_t batch, float* losses, LossResult* result) {
  begin_kernel();
  for (int64_t n = threadIdx.x; n < batch; n += kThreads) {
    double value = 0;
    for (int i = 0; i < terms.sum.count; ++i) value += static_cast<double>(terms.sum.weights[i]) * terms.losses[i][n];
    losses[n] = static_cast<float>(value);
  }
  if (threadIdx.x != 0) return;
  LossResult total;
  for (int i = 0; i < terms.sum.count; ++i) total.loss += terms.sum.weights[i] * results[i].loss;
  if (terms.sum.counted >= 0) total.correct = results[terms.sum.counted].correct;
  *result = total;
}

void sum_forward(Stream& stream, const KernelCall& call) {
  Terms terms{};
  terms.sum = attributes_of<LossSumAttributes>(call);
  for (int i = 0; i < terms.sum.count; ++i) terms.losses[i] = call.inputs[i].data;
  launch(CudaStream::of(stream), sum_kernel, {1}, terms, call.loss->terms, call.output.batch, call.output.data,
         call.loss->result);
}

__global__ void __launch_bounds__(kThreads) copy_kernel(View from, View to, int64_t items) {
  begin_kernel();
  for_grid(items, [&](Index item) {
    const Place place(item, to.channels);
    to.store(place.pixel, place.channel, from.load(place.pixel, place.channel));
  });
}

void detach_forward(Stream& stream, const KernelCall& call) {
  const int64_t items = items_of(call.output);
  launch(CudaStream::of(stream), copy_kernel, {divide_up(items, kItemsATask)}, view_of(call.inputs[0]),
         view_of(call.output), items);
}

// The terms of a sum know their weights, and nothing flows back through detach.
void nothing(Stream&, const KernelCall&) {}

// --- softmaxCrossEntropy: mean over the batch of the cross-entropy of softmax(logits) against the smoothed labels, for
// each input times its weight; saves the probabilities [inputs, batch, classes].

struct CrossEntropyParts {
  double* losses;     // [kThreads]
  unsigned* correct;  // [kThreads]
  __host__ __device__ explicit CrossEntropyParts(Shared& shared)
      : losses(shared.take<double>(kThreads)), correct(shared.take<unsigned>(kThreads)) {}
};

// The labels of a batch: [batch] own ones, and those of partners for the rest of 1 where there is a share.
struct Labels {
  const int32_t* labels;
  const float* share;  // null for 1
  int64_t batch;

  __device__ float own_share() const { return share == nullptr ? 1 : *share; }
  __device__ int32_t own(int64_t sample) const { return labels[sample]; }
  __device__ int32_t other(int64_t sample) const { return labels[share == nullptr ? sample : batch + sample]; }
};

__global__ void __launch_bounds__(kThreads)
    loss_forward_kernel(const float* logits, Labels labels, int64_t classes, float smoothing, float weight, bool first,
                        float* probabilities, float* losses, LossResult* result) {
  begin_kernel();
  const int64_t batch = labels.batch;
  const float share = labels.own_share();
  Shared shared(shared_memory());
  const CrossEntropyParts parts(shared);
  double sum = 0;
  unsigned correct = 0;
  for (int64_t n = threadIdx.x; n < batch; n += kThreads) {
    const float* z = logits + n * classes;
    int64_t best = 0;
    for (int64_t c = 1; c < classes; ++c) best = z[c] > z[best] ? c : best;
    double total = 0;
    double behind = 0;  // sum over the classes of how far they are behind the best
    for (int64_t c = 0; c < classes; ++c) {
      total += exp(static_cast<double>(z[c]) - z[best]);
      behind += static_cast<double>(z[c]) - z[best];
    }
    for (int64_t c = 0; c < classes; ++c) {
      probabilities[n * classes + c] = static_cast<float>(exp(static_cast<double>(z[c]) - z[best]) / total);
    }
    const double keep = 1 - static_cast<double>(smoothing);
    const double spread = static_cast<double>(smoothing) / static_cast<double>(classes);
    double own = static_cast<double>(z[labels.own(n)]) - z[best];
    if (share != 1) {
      const double other = static_cast<double>(z[labels.other(n)]) - z[best];
      own = share * own + (1 - static_cast<double>(share)) * other;
    }
    const double loss = weight * (log(total) - (keep * own + spread * behind));
    losses[n] = first ? static_cast<float>(loss) : losses[n] + static_cast<float>(loss);
    sum += loss;
    correct += best == labels.own(n) ? 1u : 0u;
  }
  parts.losses[threadIdx.x] = sum;
  parts.correct[threadIdx.x] = correct;
  __syncthreads();
  if (threadIdx.x != 0) return;
  double mean = 0;
  int64_t right = 0;
  for (int t = 0; t < kThreads; ++t) {
    mean += parts.losses[t];
    right += parts.correct[t];
  }
  mean /= static_cast<double>(batch);
  result->loss = first ? mean : result->loss + mean;
  if (first) result->correct = right;
}

__global__ void __launch_bounds__(kThreads)
    loss_backward_kernel(const float* probabilities, Labels labels, int64_t classes, float smoothing, float weight,
                         float* target, bool accumulate) {
  begin_kernel();
  const int64_t batch = labels.batch;
  const float scale = weight / static_cast<float>(batch), own = labels.own_share();
  const float spread = smoothing / static_cast<float>(classes);
  for_grid(batch * classes, [&](Index item) {
    const Index count = static_cast<Index>(classes);
    const int32_t c = static_cast<int32_t>(item % count);
    const Index sample = item / count;
    const float label = (c == labels.own(sample) ? own : 0) + (c == labels.other(sample) ? 1 - own : 0);
    const float wanted = (1.0f - smoothing) * label + spread;
    const float gradient = (probabilities[item] - wanted) * scale;
    target[item] = accumulate ? target[item] + gradient : gradient;
  });
}

Labels labels_of(const KernelCall& call) {
  return {call.loss->labels, call.loss->label_share, call.inputs[0].batch};
}

void cross_entropy_forward(Stream& stream, const KernelCall& call) {
  const auto& attributes = attributes_of<SoftmaxCrossEntropyAttributes>(call);
  const int64_t batch = call.inputs[0].batch, classes = call.inputs[0].channels;
  for (int i = 0; i < call.input_count; ++i) {
    launch(CudaStream::of(stream), loss_forward_kernel, {1, shared_bytes<CrossEntropyParts>()}, call.inputs[i].data,
           labels_of(call), classes, attributes.smoothing, attributes.weights[i], i == 0,
           call.saved + i * batch * classes, call.output.data, call.loss->result);
  }
}

void cross_entropy_backward(Stream& stream, const KernelCall& call) {
  const auto& attributes = attributes_of<SoftmaxCrossEntropyAttributes>(call);
  const int64_t batch = call.inputs[0].batch, classes = call.inputs[0].channels;
  for (int i = 0; i < call.input_count; ++i) {
    const GradientTarget& target = call.input_gradients[i];
    if (target.mode == GradientMode::kIgnore) continue;
    launch(CudaStream::of(stream), loss_backward_kernel, {divide_up(batch * classes, kThreads)},
           call.saved + i * batch * classes, labels_of(call), classes, attributes.smoothing,
           call.loss->weight * attributes.weights[i], target.data, target.mode == GradientMode::kAccumulate);
  }
}

}  // namespace

const OpKernels softmax_cross_entropy_kernels = {cross_entropy_forward, cross_entropy_backward, nullptr};

const OpKernels distillation_kernels = {
    [](Stream& stream, const KernelCall& call) { forward<DistilledSample>(stream, call, temperature_of(call)); },
    [](Stream& stream, const KernelCall& call) { backward<DistilledSample>(stream, call, temperature_of(call)); },
    nullptr};

template <typename Loss>
constexpr OpKernels pair_kernels = {
    [](Stream& stream, const KernelCall& call) { forward<PairSample<Loss>>(stream, call, {}); },
    [](Stream& stream, const KernelCall& call) { backward<PairSample<Loss>>(stream, call, {}); }, nullptr};

const OpKernels smooth_l1_kernels = pair_kernels<SmoothL1>;
const OpKernels mean_squared_error_kernels = pair_kernels<MeanSquaredError>;
const OpKernels cosine_distance_kernels = pair_kernels<CosineDistance>;

const OpKernels mean_square_kernels = {square_forward<SquaredValues>, square_backward<SquaredValues>, nullptr};
const OpKernels slowness_kernels = {square_forward<SquaredChanges>, square_backward<SquaredChanges>, nullptr};

const OpKernels loss_sum_kernels = {sum_forward, nothing, nullptr};
const OpKernels detach_kernels = {detach_forward, nothing, nullptr};

}  // namespace dartsmith::cuda
