// What launches of separables read from calls: windows, and how these are cut into units.
#pragma once
#include <algorithm>
#include <iterator>

#include "cuda/moments.cuh"
#include "cuda/sliding/lanes.cuh"
#include "cuda/sliding/strips.h"

namespace dartsmith::cuda::sliding {

inline const Window& window_of(const KernelCall& call) {
  return attributes_of<SeparableAttributes>(call).window;
}
inline int kernel_of(const KernelCall& call) {
  return window_of(call).kernel[0];
}
inline int64_t channels_of(const KernelCall& call) {
  return call.output.channels;
}
// Of a tensor like the output.
inline int64_t output_bytes(const KernelCall& call) {
  return round_up(pixels_of(call.output) * channels_of(call) * element_bytes(call.precision), 256);
}
inline bool wants_weights(const KernelCall& call) {
  return call.weight_gradient != nullptr;
}
inline MotionKind motion_of(const KernelCall& call) {
  const Window& w = window_of(call);
  if (w.dilation[0] == 1) return w.stride[0] == 1 ? MotionKind::kPlain : MotionKind::kStrided;
  return w.stride[0] == 1 ? MotionKind::kDilated : MotionKind::kStridedDilated;
}

// Of a launch; units_of(call, rows).
template <typename Units>
int strip_rows_of(const KernelCall* const* calls, int count, const Units& units_of) {
  return strip_rows([&](int rows) {
    int64_t units = 0;
    for (int m = 0; m < count; ++m) units += units_of(*calls[m], rows);
    return units;
  });
}
// No launch that the call is part of has shorter ones: others add units, which make strips longer. A sequence may be
// shorter than planned.
template <typename Units>
int shortest_strip_of(const KernelCall& call, const Units& units_of) {
  if (call.sequence != nullptr && call.sequence->columns > 0) return *std::ranges::min_element(kStripRows);
  const KernelCall* alone = &call;
  return strip_rows_of(&alone, 1, units_of);
}

// A member whose units a block takes so many of; gives the block behind its own.
inline int64_t place_member(const KernelCall& call, MotionKind motion, const Cut& cut, int64_t units, int units_a_block,
                            int64_t first_block, SlidingMember& member) {
  const int64_t blocks = divide_up(units, units_a_block);
  member = {cut,
            motion,
            call.inputs[0].data,
            reading_of(call.links[0]),
            call.weight,
            call.bias,
            static_cast<Index>(units),
            static_cast<Index>(blocks),
            static_cast<Index>(first_block)};
  return first_block + blocks;
}

}  // namespace dartsmith::cuda::sliding
