// How a sliding window maps one image onto another, along one axis. Forward and data gradient of convolutions and
// poolings are the same walk with other maps, so each kernel is written once over these.
#pragma once
#include "cpu/simd.h"
#include "engine/attributes.h"

namespace dartsmith::cpu::DARTSMITH_ISA {

inline constexpr int kMaxTaps = 64;  // along one axis

struct AxisTap {
  int64_t offset;  // source position of target position 0
  int kernel;      // index along the kernel
};

// Target position target_phase + i * target_step reads source positions i * source_step + offset of each tap, 0 <= i <
// count.
struct AxisMap {
  int64_t count = 0;
  int64_t source_step = 1;
  int64_t target_step = 1;
  int64_t target_phase = 0;
  int64_t source_size = 0;
  int tap_count = 0;
  AxisTap taps[kMaxTaps];

  int64_t lowest() const {
    int64_t low = 0;
    for (int t = 0; t < tap_count; ++t) low = t == 0 || taps[t].offset < low ? taps[t].offset : low;
    return low;
  }
  // One past the highest source position that `positions` targets from 0 read.
  int64_t highest(int64_t positions) const {
    int64_t high = 0;
    for (int t = 0; t < tap_count; ++t) high = max(high, taps[t].offset);
    return (positions - 1) * source_step + high + 1;
  }
};

// Output from input.
inline AxisMap forward_axis(const Window& window, int axis, int64_t input, int64_t output) {
  AxisMap map;
  map.count = output;
  map.source_step = window.stride[axis];
  map.source_size = input;
  for (int k = 0; k < window.kernel[axis]; ++k) {
    map.taps[map.tap_count++] = {int64_t{k} * window.dilation[axis] - window.padding[axis], k};
  }
  return map;
}

// Input gradient from output gradient, for input positions phase, phase + stride, ...: there are `stride` such maps.
inline AxisMap backward_axis(const Window& window, int axis, int64_t input, int64_t output, int phase) {
  const int64_t stride = window.stride[axis];
  AxisMap map;
  map.count = phase < input ? divide_up(input - phase, stride) : 0;
  map.target_step = stride;
  map.target_phase = phase;
  map.source_size = output;
  for (int k = 0; k < window.kernel[axis]; ++k) {
    const int64_t reach = phase + window.padding[axis] - int64_t{k} * window.dilation[axis];
    if (reach % stride == 0) map.taps[map.tap_count++] = {reach / stride, k};
  }
  return map;
}

struct WindowMap {
  AxisMap rows;
  AxisMap columns;
};

inline WindowMap forward_map(const Window& window, const Tensor& input, const Tensor& output) {
  return {forward_axis(window, 0, input.height, output.height), forward_axis(window, 1, input.width, output.width)};
}

// Calls body(map) for each of the stride[0] * stride[1] phases.
template <typename Body>
void for_backward_maps(const Window& window, const Tensor& input, const Tensor& output, const Body& body) {
  // Phases beyond the image are empty.
  const auto rows = static_cast<int>(min(window.stride[0], input.height));
  const auto columns = static_cast<int>(min(window.stride[1], input.width));
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) {
      body(WindowMap{backward_axis(window, 0, input.height, output.height, row),
                     backward_axis(window, 1, input.width, output.width, column)});
    }
  }
}

}  // namespace dartsmith::cpu::DARTSMITH_ISA
