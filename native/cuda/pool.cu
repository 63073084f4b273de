// maxPool, avgPool and globalAvgPool.
#include <vector>

#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "cuda/pool.cuh"
#include "cuda/pool_backward.h"
#include "cuda/sliding/choice.h"
#include "cuda/sliding/pool_forward.h"

namespace dartsmith::cuda {
namespace {

using pool::PoolForward;
using pool::PoolSet;

template <Layout layout>
__global__ void __launch_bounds__(kThreads) tiles_pool_kernel(DARTSMITH_ARGUMENT(Group<PoolForward>) group) {
  begin_kernel();
  pool::forward<layout>(group);
}

void forward_tiles(Stream& stream, const KernelCall* calls, int count) {
  for_parts(calls, count, [&](const KernelCall* part, int size) {
    Group<PoolForward> group;
    Layout layout = view_of(part->output).layout();
    for (const KernelCall* call = part; call < part + size; ++call) {
      layout = shared_layout(layout, shared_layout(view_of(call->inputs[0]).layout(), view_of(call->output).layout()));
      const PoolWindow window(attributes_of<PoolAttributes>(*call), call->inputs[0], call->output.height,
                              call->output.width);
      const int64_t items = items_of(call->output);
      group.add({window, view_of(call->inputs[0]), view_of(call->output), items, 0}, divide_up(items, kThreads));
    }
    with_layout(layout, [&](auto lies) {
      launch(CudaStream::of(stream), KernelOf<Group<PoolForward>>{tiles_pool_kernel<lies.value>}, {group.tasks}, group);
    });
  });
}

void forward(Stream& stream, const KernelCall* calls, int count) {
  sliding::share(
      calls, count, [](const KernelCall& call) { return sliding::chosen() && sliding::takes_pooling(call); },
      [&](const sliding::Calls& own) { sliding::pool_forward(CudaStream::of(stream), own); },
      [&](const KernelCall* tiled, int size) { forward_tiles(stream, tiled, size); });
}

void backward(Stream& stream, const KernelCall* calls, int count) {
  std::vector<PoolSet> sets;
  for (const KernelCall* call = calls; call < calls + count; ++call) {
    if (call->input_gradients[0].mode == GradientMode::kIgnore) continue;
    pool::join(sets.emplace_back(pool::set_of(*call, attributes_of<PoolAttributes>(*call), call->output)), *call);
  }
  pool::start_backward(stream, calls->precision, sets);
}

size_t workspace_bytes(const KernelCall& call, bool backward) {
  return backward ? pool::backward_bytes(call, call.output) : 0;
}

// --- Of whole images

struct GlobalParts {
  float4* scratch;
  __host__ __device__ explicit GlobalParts(Shared& shared) : scratch(shared.take<float4>(kWarps * kChunk / 4)) {}
};

// One block an image and chunk of channels.
__global__ void __launch_bounds__(kThreads)
    global_pool_kernel(View x, View y, int64_t area, int chunks, int64_t tasks) {
  begin_kernel();
  Shared shared(shared_memory());
  const GlobalParts parts(shared);
  for_tasks(tasks, [&](Index task) {
    const int64_t image = task / chunks;
    const int chunk = static_cast<int>(task % chunks) * kChunk;
    const Spread spread(x.channels - chunk);
    const int channel = chunk + spread.vector * 4;
    float4 sum = splat(0);
    if (channel < x.channels) {
      for (int64_t p = spread.row; p < area; p += spread.rows) sum = sum + x.load(image * area + p, channel);
    }
    sum = sum_rows(spread, sum, parts.scratch);
    if (spread.row == 0 && channel < x.channels) {
      y.store(image, channel, map4(sum, [=](float s) { return s / static_cast<float>(area); }));
    }
  });
}

void global_forward(Stream& stream, const KernelCall& call) {
  const Tensor& x = call.inputs[0];
  const int chunks = static_cast<int>(divide_up(x.channels, kChunk));
  launch(CudaStream::of(stream), global_pool_kernel, {x.batch * chunks, shared_bytes<GlobalParts>()}, view_of(x),
         view_of(call.output), x.height * x.width, chunks, x.batch * chunks);
}

__global__ void __launch_bounds__(kThreads)
    global_unpool_kernel(View dy, View dx, int64_t area, bool accumulate, int64_t items) {
  begin_kernel();
  const Index vectors = static_cast<Index>(dx.channels + 3) / 4;
  const float share = 1.0f / static_cast<float>(area);
  for_grid(items, [&](Index item) {
    const Index pixel = item / vectors;
    const int channel = static_cast<int>(item % vectors) * 4;
    dx.add(pixel, channel, dy.load(pixel / static_cast<Index>(area), channel) * splat(share), accumulate);
  });
}

void global_backward(Stream& stream, const KernelCall& call) {
  const Tensor& x = call.inputs[0];
  const GradientTarget& target = call.input_gradients[0];
  if (target.mode == GradientMode::kIgnore) return;
  launch(CudaStream::of(stream), global_unpool_kernel, a_thread_each(items_of(x)), output_gradient_of(call),
         input_gradient_of(call, 0), x.height * x.width, target.mode == GradientMode::kAccumulate, items_of(x));
}

}  // namespace

const OpKernels max_pool_kernels = {.workspace_bytes = workspace_bytes,
                                    .groups_inputs = true,
                                    .sums_inputs = true,
                                    .forward_group = forward,
                                    .backward_group = backward};
const OpKernels avg_pool_kernels = max_pool_kernels;
const OpKernels global_avg_pool_kernels = {global_forward, global_backward, nullptr};

}  // namespace dartsmith::cuda
