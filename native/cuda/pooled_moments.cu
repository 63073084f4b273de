// pooledMoments.
#include <vector>

#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "cuda/pool_backward.h"
#include "cuda/pooled_moments.cuh"
#include "cuda/sliding/choice.h"
#include "cuda/sliding/pooled_moments.h"

namespace dartsmith::cuda {
namespace {

using namespace pooled_moments;

template <Layout layout>
__global__ void __launch_bounds__(kThreads) tiles_measure_kernel(DARTSMITH_ARGUMENT(Group<Measured>) group) {
  begin_kernel();
  Shared shared(shared_memory());
  const Parts parts(shared);
  for_members(group, [&](const Measured& m, Index task) { measure_piece<layout>(m, task, parts); });
}
__global__ void __launch_bounds__(kThreads) tiles_measure_join_kernel(DARTSMITH_ARGUMENT(Group<Measured>) group) {
  begin_kernel();
  for (int i = 0; i < group.count; ++i) {
    const Measured& m = group.members[i];
    for_warps(int64_t{m.members} * m.x.channels, [&](Index item) { finish_channel(m, item); });
  }
}

void start_tiles(CudaStream& stream, Layout layout, const Group<Measured>& group) {
  using Kernel = KernelOf<Group<Measured>>;
  int64_t channels = 0;
  for (int i = 0; i < group.count; ++i) {
    channels = larger(channels, int64_t{group.members[i].members} * group.members[i].x.channels);
  }
  if (group.members[0].norms[0].statistics != Statistics::kRunning) {
    with_layout(layout, [&](auto lies) {
      launch(stream, Kernel{tiles_measure_kernel<lies.value>}, {group.tasks, shared_bytes<Parts>()}, group);
    });
  }
  launch(stream, Kernel{tiles_measure_join_kernel}, {divide_up(channels, kWarps)}, group);
}

const PoolAttributes& pool_of(const KernelCall& call) {
  return attributes_of<PooledMomentsAttributes>(call).pool;
}

// Whether two nodes measure the same pooling of the same tensor.
bool same_pooling(const KernelCall& a, const KernelCall& b) {
  return a.inputs[0].data == b.inputs[0].data && pool_of(a) == pool_of(b);
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

void forward(Stream& stream, const KernelCall* calls, int count) {
  Group<Measured> group;
  Layout layout = view_of(calls->inputs[0]).layout();
  for (const KernelCall* call = calls; call < calls + count; ++call) {
    layout = shared_layout(layout, view_of(call->inputs[0]).layout());
  }
  const auto start = [&] {
    start_tiles(CudaStream::of(stream), layout, group);
    group = {};
  };
  std::vector<Measured> sliding;
  for_sets(calls, count, [&](const KernelCall* set, int members) {
    const Tensor& x = set->inputs[0];
    Measured m{};
    m.window = {pool_of(*set), x, x.height, x.width};
    m.x = view_of(x);
    m.members = members;
    for (int i = 0; i < members; ++i) m.norms[i] = normalisation_of(set[i]);
    m.pixels = pixels_of(x);
    m.chunks = static_cast<int>(divide_up(x.channels, kChunk));
    m.partials = {static_cast<float*>(set->workspace), static_cast<int>(x.channels),
                  divide_up(m.pixels, kPooledPixels)};
    if (sliding::chosen() && sliding::takes(m, set->precision)) {
      m.partials.pieces = sliding::pooled_pieces(x);
      sliding.push_back(m);
      return;
    }
    if (group.count == kMembers) start();
    group.add(m, m.partials.pieces * m.chunks);
  });
  if (group.count > 0) start();
  if (!sliding.empty()) sliding::pooled_moments_forward(CudaStream::of(stream), sliding);
}

void backward(Stream& stream, const KernelCall* calls, int count) {
  std::vector<pool::PoolSet> sets;
  for_sets(calls, count, [&](const KernelCall* first, int members) {
    if (first->input_gradients[0].data == nullptr) return;
    pool::PoolSet& set = sets.emplace_back(pool::set_of(*first, pool_of(*first), first->inputs[0]));
    for (int i = 0; i < members; ++i) pool::join(set, first[i]);
  });
  pool::start_backward(stream, calls->precision, sets);
}

size_t workspace_bytes(const KernelCall& call, bool backward) {
  const Tensor& x = call.inputs[0];
  if (backward) return pool::backward_bytes(call, x);
  const int64_t pieces = larger(divide_up(pixels_of(x), kPooledPixels), sliding::pooled_pieces(x));
  return static_cast<size_t>(pieces * 2 * x.channels) * sizeof(float);
}

}  // namespace

const OpKernels pooled_moments_kernels = {.workspace_bytes = workspace_bytes,
                                          .groups_inputs = true,
                                          .sums_inputs = true,
                                          .forward_group = forward,
                                          .backward_group = backward};

}  // namespace dartsmith::cuda
