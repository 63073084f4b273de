// softmaxScale: a tensor times one entry of the softmax of a vector of weights.
#include "cuda/elementwise.cuh"
#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "engine/softmax_entry.h"

namespace dartsmith::cuda {
namespace {

using elementwise::kItemsATask;
using elementwise::Place;

struct Entry {
  const float* weights;
  SoftmaxScaleAttributes own;
  __device__ SoftmaxEntry softmax() const { return {weights, own}; }
};

struct Parts {
  double* sums;  // [kWarps]
  unsigned* flag;
  __host__ __device__ explicit Parts(Shared& shared)
      : sums(shared.take<double>(kWarps)), flag(shared.take<unsigned>(1)) {}
};

Entry entry_of(const KernelCall& call) {
  return {call.weight, attributes_of<SoftmaxScaleAttributes>(call)};
}

__global__ void __launch_bounds__(kThreads)
    scale_kernel(Entry entry, View from, View to, bool accumulate, int64_t items) {
  begin_kernel();
  const float4 factor = splat(static_cast<float>(entry.softmax().value()));
  for_grid(items, [&](Index item) {
    const Place at(item, to.channels);
    to.add(at.pixel, at.channel, factor * from.load(at.pixel, at.channel), accumulate);
  });
}

void scale_into(Stream& stream, const KernelCall& call, const View& from, const View& to, bool accumulate) {
  const int64_t items = items_of(call.output);
  launch(CudaStream::of(stream), scale_kernel, {divide_up(items, kItemsATask)}, entry_of(call), from, to, accumulate,
         items);
}

// The gradient of the factor is a sum over the batch, a task's part in `partials`.
__global__ void __launch_bounds__(kThreads) weights_kernel(Entry entry, View x, View gradient, int64_t items,
                                                           double* partials, unsigned* ticket, float* gradients) {
  begin_kernel();
  Shared shared(shared_memory());
  const Parts parts(shared);
  const int64_t tasks = divide_up(items, kItemsATask);
  for_tasks(tasks, [&](Index task) {
    const Index item = task * static_cast<Index>(kItemsATask) + threadIdx.x;
    double sum = 0;
    if (item < items) {
      const Place at(item, x.channels);
      const float4 value = x.load(at.pixel, at.channel), slope = gradient.load(at.pixel, at.channel);
      sum = static_cast<double>(value.x) * slope.x + static_cast<double>(value.y) * slope.y +
            static_cast<double>(value.z) * slope.z + static_cast<double>(value.w) * slope.w;
    }
    sum = block_sum(sum, parts.sums);
    if (threadIdx.x == 0) partials[task] = sum;
  });
  by_last_block(ticket, gridDim.x, parts.flag, [&] {
    double sum = 0;
    for (int64_t task = threadIdx.x; task < tasks; task += kThreads) sum += partials[task];
    sum = block_sum(sum, parts.sums);
    const SoftmaxEntry softmax = entry.softmax();
    for_block(entry.own.count, [&](int i) { gradients[i] = static_cast<float>(sum * softmax.slope(i)); });
  });
}

void forward(Stream& stream, const KernelCall& call) {
  scale_into(stream, call, view_of(call.inputs[0]), view_of(call.output), false);
}

// The input's gradient may lie where the output's does: that one is read first.
void backward(Stream& stream, const KernelCall& call) {
  if (call.weight_gradient != nullptr) {
    const int64_t items = items_of(call.output);
    CudaStream& own = CudaStream::of(stream);
    launch(own, weights_kernel, {divide_up(items, kItemsATask), shared_bytes<Parts>()}, entry_of(call),
           view_of(call.inputs[0]), output_gradient_of(call), items, static_cast<double*>(call.workspace),
           own.tickets(1), call.weight_gradient);
  }
  const GradientMode mode = call.input_gradients[0].mode;
  if (mode == GradientMode::kIgnore) return;
  scale_into(stream, call, output_gradient_of(call), input_gradient_of(call, 0), mode == GradientMode::kAccumulate);
}

size_t workspace_bytes(const KernelCall& call, bool backward) {
  if (!backward || call.weight_gradient == nullptr) return 0;
  return static_cast<size_t>(divide_up(items_of(call.output), kItemsATask)) * sizeof(double);
}

}  // namespace

const OpKernels softmax_scale_kernels = {forward, backward, workspace_bytes};

}  // namespace dartsmith::cuda
