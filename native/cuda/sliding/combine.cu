#include <algorithm>

#include "cuda/launch.h"
#include "cuda/sliding/choice.h"
#include "cuda/sliding/combine.cuh"
#include "cuda/sliding/combine.h"

namespace dartsmith::cuda::sliding {
namespace {

template <bool backward, bool half>
KernelOf<Combine> kernel_of(int channels) {
  return with_channels(channels, [](auto known) -> KernelOf<Combine> {
    return backward ? combine_backward_kernel<known.value, half> : combine_forward_kernel<known.value, half>;
  });
}

// The kernel with what the sum of one direction takes.
template <bool backward>
void start(CudaStream& stream, Combine& c) {
  const int channels = c.output.channels;
  c.units = static_cast<Index>(squares_of(c.pixels / (int64_t{c.height} * c.width), c.height, c.width, channels));
  const Work work{divide_up(c.units, kUnits), shared_bytes<CombineParts>(c, channels, backward), kBlockThreads};
  launch_blocks(stream, c.output.half ? kernel_of<backward, true>(channels) : kernel_of<backward, false>(channels),
                work, c);
}

}  // namespace

bool takes(const Combine& c, Precision precision) {
  const bool half = precision == Precision::kBf16;
  const auto fits = [&](const View& view) { return view.channels == c.output.channels && view.half == half; };
  return has_kernels(c.output.channels, c.width) && c.output.half == half && c.count > 0 &&
         std::all_of(c.inputs, c.inputs + c.count, [&](const CombineInput& input) {
           const PoolWindow& w = input.window;
           return fits(input.y) && (input.target.data == nullptr || fits(input.target)) &&
                  (!input.pooled || (slides_over(w) && w.stride[0] == 1));
         });
}

int64_t combine_pieces(const Tensor& output) {
  if (!has_kernels(output.channels, output.width)) return 0;
  return divide_up(squares_of(output.batch, output.height, output.width, output.channels), kUnits);
}

void combine_forward(CudaStream& stream, Combine c) {
  start<false>(stream, c);
}

void combine_backward(CudaStream& stream, Combine c) {
  start<true>(stream, c);
}

}  // namespace dartsmith::cuda::sliding
