// softmaxCrossEntropy: mean over the batch of -log softmax(logits)[label]; saves the probabilities. One block: a batch
// of logits is small.
#include "cuda/kernels.h"

namespace dartsmith::cuda {
namespace {

struct Parts {
  double* losses;     // [kThreads]
  unsigned* correct;  // [kThreads]
  __host__ __device__ explicit Parts(Shared& shared)
      : losses(shared.take<double>(kThreads)), correct(shared.take<unsigned>(kThreads)) {}
};

__global__ void __launch_bounds__(kThreads)
    loss_forward_kernel(const float* logits, const int32_t* labels, int64_t batch, int64_t classes,
                        float* probabilities, float* losses, LossResult* result) {
  Shared shared(shared_memory());
  const Parts parts(shared);
  double sum = 0;
  unsigned correct = 0;
  for (int64_t n = threadIdx.x; n < batch; n += kThreads) {
    const float* z = logits + n * classes;
    int64_t best = 0;
    for (int64_t c = 1; c < classes; ++c) best = z[c] > z[best] ? c : best;
    double total = 0;
    for (int64_t c = 0; c < classes; ++c) total += exp(static_cast<double>(z[c]) - z[best]);
    for (int64_t c = 0; c < classes; ++c) {
      probabilities[n * classes + c] = static_cast<float>(exp(static_cast<double>(z[c]) - z[best]) / total);
    }
    const double loss = log(total) - (static_cast<double>(z[labels[n]]) - z[best]);
    losses[n] = static_cast<float>(loss);
    sum += loss;
    correct += best == labels[n] ? 1u : 0u;
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
  result->loss = mean / static_cast<double>(batch);
  result->correct = right;
}

__global__ void __launch_bounds__(kThreads)
    loss_backward_kernel(const float* probabilities, const int32_t* labels, int64_t batch, int64_t classes,
                         float* target, bool accumulate) {
  const float share = 1.0f / static_cast<float>(batch);
  for_grid(batch * classes, [&](Index item) {
    const Index count = static_cast<Index>(classes);
    const bool label = static_cast<int64_t>(item % count) == labels[item / count];
    const float gradient = (probabilities[item] - (label ? 1.0f : 0.0f)) * share;
    target[item] = accumulate ? target[item] + gradient : gradient;
  });
}

void forward(Stream& stream, const KernelCall& call) {
  const Tensor& logits = call.inputs[0];
  launch(CudaStream::of(stream), loss_forward_kernel, {1, shared_bytes<Parts>()}, logits.data, call.labels,
         logits.batch, logits.channels, call.saved, call.output.data, call.loss);
}

void backward(Stream& stream, const KernelCall& call) {
  const Tensor& logits = call.inputs[0];
  const GradientTarget& target = call.input_gradients[0];
  if (target.mode == GradientMode::kIgnore) return;
  launch(CudaStream::of(stream), loss_backward_kernel, {divide_up(logits.batch * logits.channels, kThreads)},
         call.saved, call.labels, logits.batch, logits.channels, target.data, target.mode == GradientMode::kAccumulate);
}

}  // namespace

const OpKernels softmax_cross_entropy_kernels = {forward, backward, nullptr};

}  // namespace dartsmith::cuda
