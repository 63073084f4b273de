// globalAvgPool.
#include "cuda/kernels.h"
#include "cuda/launch.h"

namespace dartsmith::cuda {
namespace {

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

const OpKernels global_avg_pool_kernels = {global_forward, global_backward, nullptr};

}  // namespace dartsmith::cuda
