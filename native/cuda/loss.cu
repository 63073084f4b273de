// softmaxCrossEntropy: mean over the batch of the cross-entropy of softmax(logits) against the smoothed labels, for
// each input times its weight; saves the probabilities [inputs, batch, classes]. One block: a batch of logits is small.
#include "cuda/kernels.h"
#include "cuda/launch.h"

namespace dartsmith::cuda {
namespace {

struct Parts {
  double* losses;     // [kThreads]
  unsigned* correct;  // [kThreads]
  __host__ __device__ explicit Parts(Shared& shared)
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
  const Parts parts(shared);
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

void forward(Stream& stream, const KernelCall& call) {
  const auto& attributes = attributes_of<SoftmaxCrossEntropyAttributes>(call);
  const int64_t batch = call.inputs[0].batch, classes = call.inputs[0].channels;
  for (int i = 0; i < call.input_count; ++i) {
    launch(CudaStream::of(stream), loss_forward_kernel, {1, shared_bytes<Parts>()}, call.inputs[i].data,
           labels_of(call), classes, attributes.smoothing, attributes.weights[i], i == 0,
           call.saved + i * batch * classes, call.output.data, call.loss->result);
  }
}

void backward(Stream& stream, const KernelCall& call) {
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

const OpKernels softmax_cross_entropy_kernels = {forward, backward, nullptr};

}  // namespace dartsmith::cuda
