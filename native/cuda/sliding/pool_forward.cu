#include <utility>

#include "cuda/launch.h"
#include "cuda/sliding/choice.h"
#include "cuda/sliding/pool_forward.cuh"
#include "cuda/sliding/pool_forward.h"

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

}  // namespace dartsmith::cuda::sliding
