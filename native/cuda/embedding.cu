// embedding: rows of a table by integers. The gradient of a row is summed by the block of the first sample that has its
// word, over all that have it in their order.
#include "cuda/elementwise.cuh"
#include "cuda/kernels.h"
#include "cuda/launch.h"

namespace dartsmith::cuda {
namespace {

using elementwise::Place;

struct Rows {
  const int32_t* words;
  const float* mask;  // [rows of the table]; null for none
  int64_t samples;
  int channels;

  explicit Rows(const KernelCall& call)
      : words(reinterpret_cast<const int32_t*>(call.inputs[0].data)),
        mask(call.sequence == nullptr ? nullptr : call.sequence->masks[0]),
        samples(call.output.batch),
        channels(static_cast<int>(call.output.channels)) {}
  __device__ float factor(int32_t word) const { return mask == nullptr ? 1 : mask[word]; }
};

__global__ void __launch_bounds__(kThreads)
    embedding_forward_kernel(Rows rows, const float* table, View to, int64_t items) {
  begin_kernel();
  for_grid(items, [&](Index item) {
    const Place at(item, rows.channels);
    const int32_t word = rows.words[at.pixel];
    const float4 values = channel_values(table + int64_t{word} * rows.channels, at.channel, rows.channels);
    to.store(at.pixel, at.channel, splat(rows.factor(word)) * values);
  });
}

struct Parts {
  int32_t* has_word;  // [kThreads], of a run of samples
  unsigned* found;    // whether any of them has
  __host__ __device__ explicit Parts(Shared& shared)
      : has_word(shared.take<int32_t>(kThreads)), found(shared.take<unsigned>(1)) {}
};

// Whether any thread says so; all threads of a block together.
__device__ __forceinline__ bool any(bool own, const Parts& parts) {
  __syncthreads();
  if (threadIdx.x == 0) *parts.found = 0;
  __syncthreads();
  if (own) *parts.found = 1;
  __syncthreads();
  return *parts.found != 0;
}

__device__ bool is_first(const Rows& rows, Index sample, const Parts& parts) {
  bool earlier = false;
  for (Index other = threadIdx.x; other < sample; other += kThreads) {
    earlier = earlier || rows.words[other] == rows.words[sample];
  }
  return !any(earlier, parts);
}

constexpr int kChannels = 4;  // of a thread, at a time

// Into row `word` of the table's gradient: channels first, first + kThreads, ...
__device__ void sum_row(const Rows& rows, const float* gradients, Index sample, int first, const Parts& parts,
                        float* target) {
  const int32_t word = rows.words[sample];
  double sums[kChannels] = {};
  for (int64_t run = sample; run < rows.samples; run += kThreads) {
    const int64_t own = run + threadIdx.x;
    const bool has_word = own < rows.samples && rows.words[own] == word;
    parts.has_word[threadIdx.x] = has_word ? 1 : 0;
    if (!any(has_word, parts)) continue;
    const int count = static_cast<int>(smaller(kThreads, rows.samples - run));
    for (int i = 0; i < count; ++i) {
      if (parts.has_word[i] == 0) continue;
      const float* gradient = gradients + (run + i) * rows.channels;
#pragma unroll
      for (int k = 0; k < kChannels; ++k) {
        const int channel = first + k * kThreads + static_cast<int>(threadIdx.x);
        if (channel < rows.channels) sums[k] += gradient[channel];
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int k = 0; k < kChannels; ++k) {
    const int channel = first + k * kThreads + static_cast<int>(threadIdx.x);
    if (channel >= rows.channels) continue;
    target[int64_t{word} * rows.channels + channel] = static_cast<float>(rows.factor(word) * sums[k]);
  }
}

__global__ void __launch_bounds__(kThreads) clear_kernel(float* values, int64_t count) {
  begin_kernel();
  for_grid(count, [&](Index i) { values[i] = 0; });
}

__global__ void __launch_bounds__(kThreads, 1)
    embedding_backward_kernel(Rows rows, const float* gradients, float* target) {
  begin_kernel();
  Shared shared(shared_memory());
  const Parts parts(shared);
  for_tasks(rows.samples, [&](Index sample) {
    if (!is_first(rows, sample, parts)) return;
    for (int first = 0; first < rows.channels; first += kChannels * kThreads) {
      sum_row(rows, gradients, sample, first, parts, target);
    }
  });
}

void forward(Stream& stream, const KernelCall& call) {
  const int64_t items = items_of(call.output);
  launch(CudaStream::of(stream), embedding_forward_kernel, a_thread_each(items), Rows(call), call.weight,
         view_of(call.output), items);
}

void backward(Stream& stream, const KernelCall& call) {
  if (call.weight_gradient == nullptr) return;
  const Rows rows(call);
  const int64_t elements = int64_t{attributes_of<EmbeddingAttributes>(call).count} * rows.channels;
  if (elements > INT32_MAX) fail("cuda", "expected a table of less than 2^31 elements");
  launch(CudaStream::of(stream), clear_kernel, a_thread_each(elements), call.weight_gradient, elements);
  launch(CudaStream::of(stream), embedding_backward_kernel, {rows.samples, shared_bytes<Parts>()}, rows,
         call.output_gradient, call.weight_gradient);
}

}  // namespace

const OpKernels embedding_kernels = {forward, backward, nullptr};

}  // namespace dartsmith::cuda
