// maxPool and avgPool.
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

}  // namespace

const OpKernels max_pool_kernels = {.workspace_bytes = workspace_bytes,
                                    .groups_inputs = true,
                                    .sums_inputs = true,
                                    .forward_group = forward,
                                    .backward_group = backward};
const OpKernels avg_pool_kernels = max_pool_kernels;

}  // namespace dartsmith::cuda
