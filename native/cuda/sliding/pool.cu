// 3x3 poolings by warps: those that are stored, and the way back through any.
#include <algorithm>
#include <utility>

#include "cuda/launch.h"
#include "cuda/sliding/choice.h"
#include "cuda/sliding/pool_backward.cuh"
#include "cuda/sliding/pool_backward.h"
#include "cuda/sliding/pool_forward.cuh"
#include "cuda/sliding/pool_forward.h"
#include "cuda/sliding/strips.h"

namespace dartsmith::cuda::sliding {
namespace {

const PoolAttributes& pool_of(const KernelCall& call) {
  return attributes_of<PoolAttributes>(call);
}
PoolWindow window_of(const KernelCall& call) {
  return {pool_of(call), call.inputs[0], call.output.height, call.output.width};
}
int64_t channels_of(const KernelCall& call) {
  return call.output.channels;
}

template <int kStride>
KernelOf<PoolForwardPhase> kernel_of(int64_t channels, bool half) {
  return with_channels(channels, [&](auto known) -> KernelOf<PoolForwardPhase> {
    return half ? pool_forward_kernel<kStride, known.value, true> : pool_forward_kernel<kStride, known.value, false>;
  });
}

void start(CudaStream& stream, const Calls& calls) {
  PoolForwardPhase phase;
  int64_t blocks = 0;
  for (const KernelCall* own : calls) {
    const KernelCall& call = *own;
    const PoolWindow window = window_of(call);
    const int64_t units = squares_of(call.output.batch, window.out_height, window.out_width, channels_of(call));
    phase.outputs[phase.count++] = {call.inputs[0].data,       call.output.data,         window.in_height,
                                    window.in_width,           window.out_height,        window.out_width,
                                    window.takes_max,          window.count_include_pad, static_cast<Index>(units),
                                    static_cast<Index>(blocks)};
    blocks += divide_up(units, kUnits);
  }
  Shared counted(nullptr);
  counted.take<float>(kReciprocals);
  const bool half = halved(calls[0]->precision);
  const auto kernel = window_of(*calls[0]).stride[0] == 1 ? kernel_of<1>(channels_of(*calls[0]), half)
                                                          : kernel_of<2>(channels_of(*calls[0]), half);
  launch_blocks(stream, kernel, {blocks, counted.bytes(), kBlockThreads}, phase);
}

// --- Backward

using pool::PoolSet;

struct PoolStart {
  KernelOf<PoolPhase> kernel;
  int columns, parts;
};

template <int kStride>
PoolStart start_of_stride(const PoolSet& set) {
  return with_channels(set.x.channels, [&](auto known) -> PoolStart {
    using Floats = PoolUnit<kStride, known.value, false>;
    return {set.x.half ? pool_backward_kernel<kStride, known.value, true>
                       : pool_backward_kernel<kStride, known.value, false>,
            Floats::kColumns, Floats::kParts};
  });
}
PoolStart start_of(const PoolSet& set) {
  return set.window.stride[0] == 1 ? start_of_stride<1>(set) : start_of_stride<2>(set);
}

// Whether the set can be added to what a target has already.
bool joins(const PoolTarget& target, const PoolSet& set) {
  return target.target == set.target.data && target.x == set.x.data &&
         target.poolings[set.window.takes_max ? 1 : 0].members == 0;
}

void join(PoolTarget& target, const PoolSet& set) {
  if (!set.window.takes_max) target.count_include_pad = set.window.count_include_pad;
  PooledGradients& pooling = target.poolings[set.window.takes_max ? 1 : 0];
  pooling.members = set.members;
  for (int m = 0; m < set.members; ++m) {
    pooling.gradients[m] = set.gradients[m].data;
    pooling.maps[m] = set.maps[m];
  }
}

// Cuts the targets of a launch into units; gives its blocks.
int64_t cut(PoolPhase& phase, const PoolStart& start, const std::vector<int64_t>& batches) {
  const auto units = [&](int t, int rows) {
    const PoolTarget& target = phase.targets[t];
    return batches[t] * divide_up(target.height, rows) * divide_up(target.width, start.columns) * start.parts;
  };
  const int rows = strip_rows([&](int tried) {
    int64_t sum = 0;
    for (int t = 0; t < phase.count; ++t) sum += units(t, tried);
    return sum;
  });
  int64_t blocks = 0;
  for (int t = 0; t < phase.count; ++t) {
    PoolTarget& target = phase.targets[t];
    target.rows = rows;
    target.strips = static_cast<int>(divide_up(target.height, rows));
    target.groups = static_cast<int>(divide_up(target.width, start.columns));
    target.units = static_cast<Index>(units(t, rows));
    target.first_block = static_cast<Index>(blocks);
    blocks += divide_up(target.units, kUnits);
  }
  return blocks;
}

}  // namespace

bool takes_pooling(const KernelCall& call) {
  return has_kernels(channels_of(call), call.inputs[0].width) && slides_over(window_of(call)) && stored_alike(call);
}

void pool_forward(CudaStream& stream, const Calls& calls) {
  for_kinds(
      stream, calls,
      [](const KernelCall* call) {
        return std::pair{window_of(*call).stride[0], channels_of(*call)};
      },
      [&](const Calls& alike) { start(stream, alike); });
}

bool takes(const PoolSet& set, Precision precision) {
  const PoolWindow& w = set.window;
  const bool half = precision == Precision::kBf16;
  return has_kernels(set.x.channels, w.in_width) && set.x.half == half && set.target.half == half && slides_over(w) &&
         std::all_of(set.gradients, set.gradients + set.members, [&](const View& g) { return g.half == half; }) &&
         std::all_of(set.dropouts, set.dropouts + set.members, [](const auto& d) { return d.settings == nullptr; });
}

void pool_backward(CudaStream& stream, const std::vector<PoolSet>& sets) {
  Shared counted(nullptr);
  counted.take<float>(kReciprocals);
  for (size_t next = 0; next < sets.size();) {
    const PoolStart start = start_of(sets[next]);
    const int channels = sets[next].x.channels, stride = sets[next].window.stride[0];
    PoolPhase phase;
    std::vector<int64_t> batches;
    for (; next < sets.size(); ++next) {
      const PoolSet& set = sets[next];
      if (set.x.channels != channels || set.window.stride[0] != stride) break;
      PoolTarget* last = phase.count == 0 ? nullptr : &phase.targets[phase.count - 1];
      if (last == nullptr || !joins(*last, set)) {
        // Another look at a target in the same launch would race with the first.
        if (phase.count == kPoolTargets || (last != nullptr && last->target == set.target.data)) break;
        last = &phase.targets[phase.count++];
        *last = {};
        last->x = set.x.data;
        last->target = set.target.data;
        last->accumulate = set.accumulate;
        last->height = set.window.in_height;
        last->width = set.window.in_width;
        last->windows_down = set.window.out_height;
        last->windows_across = set.window.out_width;
        const int64_t pixels = set.input_items / divide_up(channels, 4);
        batches.push_back(pixels / (int64_t{last->height} * last->width));
      }
      join(*last, set);
    }
    const int64_t blocks = cut(phase, start, batches);
    launch_blocks(stream, start.kernel, {blocks, counted.bytes(), kBlockThreads}, phase);
  }
}

}  // namespace dartsmith::cuda::sliding
