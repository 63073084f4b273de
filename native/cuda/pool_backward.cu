#include <algorithm>
#include <map>
#include <utility>

#include "cuda/launch.h"
#include "cuda/pool_backward.h"
#include "cuda/sliding/choice.h"
#include "cuda/sliding/pool_backward.h"

namespace dartsmith::cuda::pool {
namespace {

// Where the workspace of backward holds what, in bytes; `pooled` has the pooled shape.
struct Workspace {
  int64_t choices, bytes;
  Workspace(const KernelCall& call, const Tensor& pooled)
      : choices(round_up(pixels_of(pooled) * pooled.channels * element_bytes(call.gradient_precision), 16)),
        bytes(choices + items_of(pooled) * static_cast<int64_t>(sizeof(unsigned))) {}
};

template <Layout layout>
__global__ void __launch_bounds__(kThreads) tiles_share_kernel(DARTSMITH_ARGUMENT(PoolBackward) b) {
  begin_kernel();
  share_gradients<layout>(b);
}
template <Layout layout>
__global__ void __launch_bounds__(kThreads) tiles_gather_kernel(DARTSMITH_ARGUMENT(PoolBackward) b) {
  begin_kernel();
  gather_inputs<layout>(b);
}

// Of what a set touches.
Layout layout_of(const PoolSet& set) {
  Layout layout = shared_layout(set.x.layout(), shared_layout(set.shares.layout(), set.target.layout()));
  for (int m = 0; m < set.members; ++m) layout = shared_layout(layout, set.gradients[m].layout());
  return layout;
}

void start_tiles(CudaStream& stream, const PoolSet* sets, int count) {
  PoolBackward b{};
  b.count = count;
  Layout layout = layout_of(sets[0]);
  int lead = 0;
  for (int m = 0; m < count; ++m) {
    PoolSet& set = b.sets[m];
    set = sets[m];
    layout = shared_layout(layout, layout_of(set));
    set.first_task = b.tasks;
    b.tasks += divide_up(set.output_items, kThreads);
    if (m > 0 && set.target.data == b.sets[lead].target.data) {
      ++b.sets[lead].sharing;
      continue;
    }
    lead = m;
    set.sharing = 1;
    set.first_input_task = b.input_tasks;
    b.input_tasks += divide_up(set.input_items, kThreads);
  }
  with_layout(layout, [&](auto lies) {
    using Kernel = KernelOf<PoolBackward>;
    launch(stream, Kernel{tiles_share_kernel<lies.value>}, {b.tasks}, b);
    launch(stream, Kernel{tiles_gather_kernel<lies.value>}, {b.input_tasks}, b);
  });
}

}  // namespace

PoolSet set_of(const KernelCall& call, const PoolAttributes& pool, const Tensor& pooled) {
  PoolSet set{};
  set.window = {pool, call.inputs[0], pooled.height, pooled.width};
  set.x = view_of(call.inputs[0]);
  set.shares = view_of(static_cast<float*>(call.workspace), pooled.channels, call.gradient_precision);
  set.choices =
      reinterpret_cast<unsigned*>(static_cast<unsigned char*>(call.workspace) + Workspace(call, pooled).choices);
  set.target = input_gradient_of(call, 0);
  set.accumulate = call.input_gradients[0].mode == GradientMode::kAccumulate;
  set.output_items = items_of(pooled);
  set.input_items = items_of(call.inputs[0]);
  return set;
}

void join(PoolSet& set, const KernelCall& call) {
  set.gradients[set.members] = output_gradient_of(call);
  set.maps[set.members] = call.output_gradient_map;
  set.dropouts[set.members] = sample_dropout_of(call, call.output_dropout);
  ++set.members;
}

// Sets of one target side by side: what goes on with a target adds to it.
void start_backward(Stream& stream, Precision precision, std::vector<PoolSet>& sets) {
  std::map<const void*, bool> accumulates;  // targets, as their first sets say
  for (const PoolSet& set : sets) accumulates.emplace(set.target.data, set.accumulate);
  const auto is_tiled = [&](const PoolSet& set) { return !sliding::chosen() || !sliding::takes(set, precision); };
  std::ranges::stable_sort(sets, {}, [&](const PoolSet& set) { return std::pair{is_tiled(set), set.target.data}; });
  for (PoolSet& set : sets) {
    bool& begun = accumulates.at(set.target.data);
    set.accumulate = begun;
    begun = true;
  }
  const auto tiled = std::ranges::find_if(sets, is_tiled);
  sliding::pool_backward(CudaStream::of(stream), {sets.begin(), tiled});
  for (auto first = tiled; first < sets.end();) {
    const auto size = std::min<std::ptrdiff_t>(kMembers, sets.end() - first);
    start_tiles(CudaStream::of(stream), &*first, static_cast<int>(size));
    first += size;
  }
}

size_t backward_bytes(const KernelCall& call, const Tensor& pooled) {
  return static_cast<size_t>(Workspace(call, pooled).bytes);
}

}  // namespace dartsmith::cuda::pool
