// distillation, smoothL1, meanSquaredError, cosineDistance, lossSum; and detach, which stands before them. One block: a
// batch of outputs is small.
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

struct Terms {
  const float* losses[kMostLosses];  // [batch] each
  LossSumAttributes sum;
};

__global__ void __launch_bounds__(kThreads) sum_kernel(DARTSMITH_ARGUMENT(Terms) terms, const LossResult* results,
                                                       int64_t batch, float* losses, LossResult* result) {
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

}  // namespace

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

const OpKernels loss_sum_kernels = {sum_forward, nothing, nullptr};
const OpKernels detach_kernels = {detach_forward, nothing, nullptr};

}  // namespace dartsmith::cuda
