// Poolings as phases.
#include <algorithm>
#include <cstddef>
#include <functional>
#include <vector>

#include "cuda/chain.h"
#include "cuda/kernels.h"
#include "cuda/pool.cuh"

namespace dartsmith::cuda {
namespace {

using namespace pool;

void pool_forward(Stream& stream, const KernelCall* calls, int count) {
  for_parts(calls, count, [&](const KernelCall* part, int size) {
    Group<PoolForward> group;
    Layout layout = view_of(part->output).layout();
    for (const KernelCall* call = part; call < part + size; ++call) {
      layout = shared_layout(layout, shared_layout(view_of(call->inputs[0]).layout(), view_of(call->output).layout()));
      const PoolWindow window(*call->node, call->node->op, call->inputs[0], call->output.height, call->output.width);
      const int64_t items = items_of(call->output);
      group.add({window, view_of(call->inputs[0]), view_of(call->output), items, 0}, divide_up(items, kThreads));
    }
    append(CudaStream::of(stream), {Phase::kPool, false, part->precision, {group.tasks}, packed(group), layout});
  });
}

// Where the workspace of backward holds what, in bytes; `pooled` has the pooled shape.
struct Workspace {
  int64_t choices, bytes;
  Workspace(const KernelCall& call, const Tensor& pooled)
      : choices(round_up(pixels_of(pooled) * pooled.channels * element_bytes(call.gradient_precision), 16)),
        bytes(choices + items_of(pooled) * static_cast<int64_t>(sizeof(unsigned))) {}
};

PoolSet set_of(const KernelCall& call, Op pool, const Tensor& pooled) {
  PoolSet set{};
  set.window = {*call.node, pool, call.inputs[0], pooled.height, pooled.width};
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
  ++set.members;
}

// Of what a set touches.
Layout layout_of(const PoolSet& set) {
  Layout layout = shared_layout(set.x.layout(), shared_layout(set.shares.layout(), set.target.layout()));
  for (int m = 0; m < set.members; ++m) layout = shared_layout(layout, set.gradients[m].layout());
  return layout;
}

void start_backward(Stream& stream, Precision precision, const PoolSet* sets, int count) {
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
  const auto* first = reinterpret_cast<const unsigned char*>(&b);
  std::vector<unsigned char> bytes(first, first + offsetof(PoolBackward, sets) + b.count * sizeof(PoolSet));
  const Work work{larger(b.tasks, b.input_tasks)};
  append(CudaStream::of(stream), {Phase::kPool, true, precision, work, std::move(bytes), layout});
}

// Sets of one target side by side, so many a launch; a launch that goes on with a target adds to it.
void start_backward(Stream& stream, Precision precision, std::vector<PoolSet>& sets) {
  std::ranges::stable_sort(sets, std::less<>(), [](const PoolSet& set) { return set.target.data; });
  for (size_t first = 0; first < sets.size(); first += kMembers) {
    if (first > 0 && sets[first].target.data == sets[first - 1].target.data) sets[first].accumulate = true;
    start_backward(stream, precision, sets.data() + first,
                   static_cast<int>(std::min<size_t>(kMembers, sets.size() - first)));
  }
}

void pool_backward(Stream& stream, const KernelCall* calls, int count) {
  std::vector<PoolSet> sets;
  for (const KernelCall* call = calls; call < calls + count; ++call) {
    if (call->input_gradients[0].mode == GradientMode::kIgnore) continue;
    join(sets.emplace_back(set_of(*call, call->node->op, call->output)), *call);
  }
  start_backward(stream, calls->precision, sets);
}

size_t pool_workspace_bytes(const KernelCall& call, bool backward) {
  return backward ? static_cast<size_t>(Workspace(call, call.output).bytes) : 0;
}

// Whether two nodes measure the same pooling of the same tensor.
bool same_pooling(const KernelCall& a, const KernelCall& b) {
  return a.inputs[0].data == b.inputs[0].data && a.node->pool == b.node->pool && a.node->window == b.node->window &&
         a.node->count_include_pad == b.node->count_include_pad;
}

// Calls body(calls, count) for each run of calls that measure the same pooling, as many as a set holds.
template <typename Body>
void for_sets(const KernelCall* calls, int count, const Body& body) {
  for (int first = 0; first < count;) {
    int next = first + 1;
    while (next < count && next - first < kMembers && same_pooling(calls[first], calls[next])) ++next;
    body(calls + first, next - first);
    first = next;
  }
}

void pooled_moments_forward(Stream& stream, const KernelCall* calls, int count) {
  Group<PooledMoments> group;
  Layout layout = view_of(calls->inputs[0]).layout();
  for (const KernelCall* call = calls; call < calls + count; ++call) {
    layout = shared_layout(layout, view_of(call->inputs[0]).layout());
  }
  const auto start = [&] {
    const Work work{group.tasks, shared_bytes<PooledParts>()};
    append(CudaStream::of(stream), {Phase::kPooledMoments, false, calls->precision, work, packed(group), layout});
    group = {};
  };
  for_sets(calls, count, [&](const KernelCall* set, int members) {
    if (group.count == kMembers) start();
    const Tensor& x = set->inputs[0];
    PooledMoments m{};
    m.window = {*set->node, set->node->pool, x, x.height, x.width};
    m.x = view_of(x);
    m.members = members;
    for (int i = 0; i < members; ++i) m.norms[i] = normalisation_of(set[i]);
    m.pixels = pixels_of(x);
    m.chunks = static_cast<int>(divide_up(x.channels, kChunk));
    m.partials = {static_cast<float*>(set->workspace), static_cast<int>(x.channels),
                  divide_up(m.pixels, kPooledPixels)};
    group.add(m, m.partials.pieces * m.chunks);
  });
  start();
}

void pooled_moments_backward(Stream& stream, const KernelCall* calls, int count) {
  std::vector<PoolSet> sets;
  for_sets(calls, count, [&](const KernelCall* first, int members) {
    if (first->input_gradients[0].data == nullptr) return;
    PoolSet& set = sets.emplace_back(set_of(*first, first->node->pool, first->inputs[0]));
    for (int i = 0; i < members; ++i) join(set, first[i]);
  });
  start_backward(stream, calls->precision, sets);
}

size_t pooled_moments_workspace_bytes(const KernelCall& call, bool backward) {
  const Tensor& x = call.inputs[0];
  if (backward) return static_cast<size_t>(Workspace(call, x).bytes);
  return static_cast<size_t>(divide_up(pixels_of(x), kPooledPixels) * 2 * x.channels) * sizeof(float);
}

}  // namespace

const OpKernels max_pool_kernels = {.workspace_bytes = pool_workspace_bytes,
                                    .groups_inputs = true,
                                    .sums_inputs = true,
                                    .forward_group = pool_forward,
                                    .backward_group = pool_backward};
const OpKernels avg_pool_kernels = max_pool_kernels;
const OpKernels pooled_moments_kernels = {.workspace_bytes = pooled_moments_workspace_bytes,
                                          .groups_inputs = true,
                                          .sums_inputs = true,
                                          .forward_group = pooled_moments_forward,
                                          .backward_group = pooled_moments_backward};

}  // namespace dartsmith::cuda
