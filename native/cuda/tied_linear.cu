// tiedLinear, and with the cross-entropy behind it in one: logits of some samples at a time, which are never all there.
// Float32 in every precision: the sums over a vocabulary are long.
#include "cuda/dense.cuh"
#include "cuda/kernels.h"
#include "cuda/launch.h"

namespace dartsmith::cuda {
namespace {

using dense::Along;
using dense::multiply_long;
using dense::Source;
using dense::Tiling;
using dense::weights_view;
using Parts = dense::Parts<Precision::kFp32>;

// Vectors [count, channels], and the table [classes, channels] that makes logits of them.
struct Decoder {
  const float* weight;
  const float* bias;
  int64_t classes, channels;
};

// logits [count, classes] = vectors times the transposed table, plus bias.
__global__ void __launch_bounds__(kThreads, 1)
    decode_kernel(Decoder d, const float* vectors, int64_t count, float* logits) {
  begin_kernel();
  Shared shared(shared_memory());
  const Parts parts(shared);
  const Tiling tiling(count, d.classes);
  for_tasks(tiling.tasks, [&](Index task) {
    const int64_t first = tiling.row(task), first_class = tiling.column(task);
    const Source left{weights_view(vectors), [&](int row, Index k) -> int64_t {
                        return first + row < count ? (first + row) * d.channels + k : -1;
                      }};
    const Source right{weights_view(d.weight), [&](int column, Index k) -> int64_t {
                         return first_class + column < d.classes ? (first_class + column) * d.channels + k : -1;
                       }};
    multiply_long<Along::kInner, Along::kInner>(d.channels, parts, count - first, d.classes - first_class, left, right,
                                                [&](int row, int column, float value, bool begins) {
                                                  float& logit =
                                                      logits[(first + row) * d.classes + first_class + column];
                                                  logit = (begins ? d.bias[first_class + column] : logit) + value;
                                                });
  });
}

// target [count, channels] (=|+=) gradients of the logits times the table.
__global__ void __launch_bounds__(kThreads)
    vector_gradient_kernel(Decoder d, const float* gradients, int64_t count, float* target, bool accumulate) {
  begin_kernel();
  Shared shared(shared_memory());
  const Parts parts(shared);
  const Tiling tiling(count, d.channels);
  for_tasks(tiling.tasks, [&](Index task) {
    const int64_t first = tiling.row(task), first_channel = tiling.column(task);
    const Source left{weights_view(gradients), [&](int row, Index k) -> int64_t {
                        return first + row < count ? (first + row) * d.classes + k : -1;
                      }};
    const Source right{weights_view(d.weight), [&](int column, Index k) -> int64_t {
                         return first_channel + column < d.channels ? k * d.channels + first_channel + column : -1;
                       }};
    multiply_long(d.classes, parts, count - first, d.channels - first_channel, left, right,
                  [&](int row, int column, float value, bool begins) {
                    float& to = target[(first + row) * d.channels + first_channel + column];
                    to = begins && !accumulate ? value : to + value;
                  });
  });
}

// Gradients of the table and the bias, (=|+=). Tasks behind those of the table have classes of the bias.
__global__ void __launch_bounds__(kThreads)
    table_gradient_kernel(Decoder d, const float* gradients, const float* vectors, int64_t count,
                          float* weight_gradient, float* bias_gradient, bool accumulate) {
  begin_kernel();
  Shared shared(shared_memory());
  const Parts parts(shared);
  const Tiling tiling(d.classes, d.channels);
  for_tasks(tiling.tasks + divide_up(d.classes, kThreads), [&](Index task) {
    if (task >= tiling.tasks) {
      const int64_t own = (task - tiling.tasks) * kThreads + threadIdx.x;
      if (own >= d.classes) return;
      double sum = accumulate ? bias_gradient[own] : 0;
      for (int64_t sample = 0; sample < count; ++sample) sum += gradients[sample * d.classes + own];
      bias_gradient[own] = static_cast<float>(sum);
      return;
    }
    const int64_t first = tiling.row(task), first_channel = tiling.column(task);
    const Source left{weights_view(gradients), [&](int row, Index k) -> int64_t {
                        return first + row < d.classes ? k * d.classes + first + row : -1;
                      }};
    const Source right{weights_view(vectors), [&](int column, Index k) -> int64_t {
                         return first_channel + column < d.channels ? k * d.channels + first_channel + column : -1;
                       }};
    multiply_long<Along::kPlace>(count, parts, d.classes - first, d.channels - first_channel, left, right,
                                 [&](int row, int column, float value, bool begins) {
                                   float& to = weight_gradient[(first + row) * d.channels + first_channel + column];
                                   to = begins && !accumulate ? value : to + value;
                                 });
  });
}

void decode(Stream& stream, const Decoder& decoder, const float* vectors, int64_t count, float* logits) {
  launch(CudaStream::of(stream), decode_kernel, {Tiling(count, decoder.classes).tasks, shared_bytes<Parts>()}, decoder,
         vectors, count, logits);
}

void find_vector_gradients(Stream& stream, const Decoder& decoder, const float* gradients, int64_t count, float* target,
                           GradientMode mode) {
  if (mode == GradientMode::kIgnore) return;
  launch(CudaStream::of(stream), vector_gradient_kernel, {Tiling(count, decoder.channels).tasks, shared_bytes<Parts>()},
         decoder, gradients, count, target, mode == GradientMode::kAccumulate);
}

void find_table_gradients(Stream& stream, const Decoder& decoder, const float* gradients, const float* vectors,
                          int64_t count, const KernelCall& call, bool accumulate) {
  if (call.weight_gradient == nullptr) return;
  const int64_t tasks = Tiling(decoder.classes, decoder.channels).tasks + divide_up(decoder.classes, kThreads);
  launch(CudaStream::of(stream), table_gradient_kernel, {tasks, shared_bytes<Parts>()}, decoder, gradients, vectors,
         count, call.weight_gradient, call.bias_gradient, accumulate);
}

Decoder decoder_of(const KernelCall& call, int64_t classes) {
  return {call.weight, call.bias, classes, call.inputs[0].channels};
}

void linear_forward(Stream& stream, const KernelCall& call) {
  decode(stream, decoder_of(call, call.output.channels), call.inputs[0].data, call.output.batch, call.output.data);
}

void linear_backward(Stream& stream, const KernelCall& call) {
  const Decoder decoder = decoder_of(call, call.output.channels);
  const auto [target, mode, precision] = call.input_gradients[0];
  find_vector_gradients(stream, decoder, call.output_gradient, call.output.batch, target, mode);
  find_table_gradients(stream, decoder, call.output_gradient, call.inputs[0].data, call.output.batch, call, false);
}

// --- With the cross-entropy

struct SampleLoss {
  double loss;
  int64_t correct;
};

// Samples whose logits are there at a time: 32 MiB of them, most of which the second-level cache keeps.
int64_t samples_at_once(int64_t batch, int64_t classes) {
  constexpr int64_t kFloats = int64_t{8} << 20;
  return smaller(batch, larger(dense::kRows, kFloats / classes / dense::kRows * dense::kRows));
}

// Losses of all samples, then logits of a part of them.
size_t part_bytes(const KernelCall& call, bool) {
  const int64_t classes = attributes_of<TiedCrossEntropyAttributes>(call).classes, batch = call.inputs[0].batch;
  return static_cast<size_t>(batch) * sizeof(SampleLoss) +
         static_cast<size_t>(samples_at_once(batch, classes) * classes) * sizeof(float);
}

struct LossParts {
  double* sums;    // [kWarps]
  float* largest;  // [kWarps]
  int32_t* best;   // [kWarps]
  __host__ __device__ explicit LossParts(Shared& shared)
      : sums(shared.take<double>(kWarps)), largest(shared.take<float>(kWarps)), best(shared.take<int32_t>(kWarps)) {}
};

// The first of the largest logits, in every thread.
struct Largest {
  float value;
  int32_t place;

  __device__ void take(float other, int32_t at) {
    if (other > value || (other == value && at < place)) *this = {other, at};
  }
  __device__ void join(const LossParts& parts) {
    for (int lanes = kLanes / 2; lanes > 0; lanes /= 2) {
      const float other = __shfl_xor_sync(0xffffffffu, value, lanes);
      take(other, __shfl_xor_sync(0xffffffffu, place, lanes));
    }
    __syncthreads();
    if (threadIdx.x % kLanes == 0) {
      parts.largest[threadIdx.x / kLanes] = value;
      parts.best[threadIdx.x / kLanes] = place;
    }
    __syncthreads();
    for (int w = 0; w < kWarps; ++w) take(parts.largest[w], parts.best[w]);
  }
};

// A block a sample: its loss, and where `share` is not 0 the gradient of its logits in their place, (softmax - label)
// times the share.
__global__ void __launch_bounds__(kThreads)
    sample_loss_kernel(float* logits, const int32_t* labels, int64_t count, int32_t classes, float share, float* losses,
                       SampleLoss* results) {
  begin_kernel();
  Shared shared(shared_memory());
  const LossParts parts(shared);
  for_tasks(count, [&](Index sample) {
    float* row = logits + int64_t{sample} * classes;
    const int32_t label = labels[sample];
    const float own = row[label];
    Largest top{row[0], 0};
    for (int32_t c = static_cast<int32_t>(threadIdx.x); c < classes; c += kThreads) top.take(row[c], c);
    top.join(parts);
    double total = 0;
    for (int32_t c = static_cast<int32_t>(threadIdx.x); c < classes; c += kThreads) total += expf(row[c] - top.value);
    total = block_sum(total, parts.sums);
    if (threadIdx.x == 0) {
      const double loss = log(total) + top.value - own;
      losses[sample] = static_cast<float>(loss);
      results[sample] = {loss, top.place == label ? 1 : 0};
    }
    if (share == 0) return;
    const float factor = static_cast<float>(share / total);
    for (int32_t c = static_cast<int32_t>(threadIdx.x); c < classes; c += kThreads) {
      row[c] = expf(row[c] - top.value) * factor - (c == label ? share : 0);
    }
  });
}

struct MeanParts {
  double* sums;  // [kWarps]
  __host__ __device__ explicit MeanParts(Shared& shared) : sums(shared.take<double>(kWarps)) {}
};

__global__ void __launch_bounds__(kThreads)
    join_losses_kernel(const SampleLoss* results, int64_t batch, LossResult* result) {
  begin_kernel();
  Shared shared(shared_memory());
  const MeanParts parts(shared);
  double loss = 0, correct = 0;
  for (int64_t n = threadIdx.x; n < batch; n += kThreads) {
    loss += results[n].loss;
    correct += static_cast<double>(results[n].correct);
  }
  loss = block_sum(loss, parts.sums);
  correct = block_sum(correct, parts.sums);
  if (threadIdx.x == 0) *result = {loss / static_cast<double>(batch), static_cast<int64_t>(correct)};
}

// Calls rest(decoder, logits or their gradients, first, count) for a part after the other.
template <typename Rest>
void each_part(Stream& stream, const KernelCall& call, float share, const Rest& rest) {
  const int64_t classes = attributes_of<TiedCrossEntropyAttributes>(call).classes, batch = call.inputs[0].batch;
  const Decoder decoder = decoder_of(call, classes);
  const int64_t part = samples_at_once(batch, classes);
  auto* results = static_cast<SampleLoss*>(call.workspace);
  auto* logits = reinterpret_cast<float*>(results + batch);
  for (int64_t first = 0; first < batch; first += part) {
    const int64_t count = smaller(part, batch - first);
    decode(stream, decoder, call.inputs[0].data + first * decoder.channels, count, logits);
    launch(CudaStream::of(stream), sample_loss_kernel, {count, shared_bytes<LossParts>()}, logits,
           call.loss->labels + first, count, static_cast<int32_t>(classes), share, call.output.data + first,
           results + first);
    rest(decoder, logits, first, count);
  }
  launch(CudaStream::of(stream), join_losses_kernel, {1, shared_bytes<MeanParts>()}, results, batch, call.loss->result);
}

void forward(Stream& stream, const KernelCall& call) {
  each_part(stream, call, 0, [](const Decoder&, const float*, int64_t, int64_t) {});
}

// Does forward's part as well.
void backward(Stream& stream, const KernelCall& call) {
  const auto [target, mode, precision] = call.input_gradients[0];
  const float share = call.loss->weight / static_cast<float>(call.inputs[0].batch);
  each_part(stream, call, share, [&](const Decoder& decoder, const float* gradients, int64_t first, int64_t count) {
    const int64_t offset = first * decoder.channels;
    find_vector_gradients(stream, decoder, gradients, count, target + offset, mode);
    find_table_gradients(stream, decoder, gradients, call.inputs[0].data + offset, count, call, first > 0);
  });
}

}  // namespace

const OpKernels tied_linear_kernels = {linear_forward, linear_backward, nullptr};
const OpKernels tied_cross_entropy_kernels = {forward, backward, part_bytes};

}  // namespace dartsmith::cuda
