// maxPool, avgPool, globalAvgPool.
#include <limits>

#include "cpu/depthwise.h"
#include "cpu/kernels.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

inline constexpr float kLowest = -std::numeric_limits<float>::infinity();

// The larger of each lane; a NaN wins over everything, as in the other layers.
Vec larger(Vec value, Vec best) {
  return (value > best) | (value != value) ? value : best;
}

// Offsets of a window's elements from its first, in row order.
struct WindowOffsets {
  int64_t count = 0;
  int64_t at[kMaxTaps];

  WindowOffsets(const WindowMap& map, const Tile& tile) {
    for (int r = 0; r < map.rows.tap_count; ++r) {
      for (int c = 0; c < map.columns.tap_count && count < kMaxTaps; ++c) {
        at[count++] = tile.offset(map, 0, map.rows.taps[r], map.columns.taps[c]);
      }
    }
  }
};

// Calls body(first window element from the tile's first, output element, lanes) for each pixel of an output image's
// rows [row_begin, row_end) and block of channels.
template <typename Body>
void for_windows(const WindowMap& map, const Tile& tile, int64_t row_begin, int64_t row_end, const Body& body) {
  const int64_t channels = tile.channels;
  for (int64_t row = row_begin; row < row_end; ++row) {
    for (int64_t x = 0; x < map.columns.count; ++x) {
      const int64_t pixel = row * map.columns.count + x;
      const int64_t first = row * map.rows.source_step * tile.row_elements() + x * map.columns.source_step * channels;
      for (int64_t c = 0; c < channels; c += kLanes) {
        body(first + c, pixel * channels + c, Lanes(channels - c));
      }
    }
  }
}

int64_t image_elements(const Tensor& tensor) {
  return tensor.height * tensor.width * tensor.channels;
}

void max_forward(Stream& stream, const KernelCall& call) {
  const Tensor &in = call.inputs[0], &out = call.output;
  const WindowMap map = forward_map(call.node->window, in, out);
  const Strips strips(map, in.channels);
  parallel(stream, in.batch * strips.count, [&](int64_t task, int thread) {
    const int64_t image = task / strips.count, strip = task % strips.count;
    const int64_t begin = strips.begin(strip), end = strips.end(map, strip);
    const Tile tile{thread_scratch<float>(stream, thread, strips.elements), frame_of(map, begin, end), in.channels};
    load_tile(tile, in.data + image * image_elements(in), in.height, in.width, kLowest);
    const WindowOffsets offsets(map, tile);
    float* target = out.data + image * image_elements(out);
    for_windows(map, tile, begin, end, [&](int64_t first, int64_t output, Lanes lanes) {
      Vec best = load_first(tile.data + first + offsets.at[0], lanes);
      for (int64_t t = 1; t < offsets.count; ++t) {
        best = larger(load_first(tile.data + first + offsets.at[t], lanes), best);
      }
      store_first(target + output, best, lanes);
    });
  });
}

// Each output's gradient goes to the first largest element of its window, in row order. One image a task: windows
// overlap.
void max_backward(Stream& stream, const KernelCall& call) {
  const Tensor& in = call.inputs[0];
  const GradientTarget& target = call.input_gradients[0];
  if (target.mode == GradientMode::kIgnore) return;
  const WindowMap map = forward_map(call.node->window, in, call.output);
  // The whole image too, where the windows leave part of it out.
  const Frame frame = unite(frame_of(map), {0, 0, in.height, in.width});
  const int64_t elements = frame.pixels() * in.channels;
  parallel(stream, in.batch, [&](int64_t image, int thread) {
    float* scratch = thread_scratch<float>(stream, thread, 2 * elements);
    const Tile tile{scratch, frame, in.channels}, gradients{scratch + elements, frame, in.channels};
    float* gradient = gradients.data;
    load_tile(tile, in.data + image * image_elements(in), in.height, in.width, kLowest);
    fill(gradient, elements, 0);
    const WindowOffsets offsets(map, tile);
    const float* output_gradient = call.output_gradient + image * image_elements(call.output);
    for_windows(map, tile, 0, map.rows.count, [&](int64_t first, int64_t output, Lanes lanes) {
      const Vec dy = load_first(output_gradient + output, lanes);
      Vec best = load_first(tile.data + first + offsets.at[0], lanes);
      for (int64_t t = 1; t < offsets.count; ++t) {
        best = max(load_first(tile.data + first + offsets.at[t], lanes), best);
      }
      Mask open = ~Mask{};
      for (int64_t t = 0; t < offsets.count; ++t) {
        const int64_t at = first + offsets.at[t];
        const Mask chosen = open & (load_first(tile.data + at, lanes) == best);
        store_first(gradient + at, load_first(gradient + at, lanes) + (chosen ? dy : Vec{}), lanes);
        open &= ~chosen;
      }
    });
    const int64_t row = in.width * in.channels;
    for (int64_t y = 0; y < in.height; ++y) {
      float* to = target.data + (image * in.height + y) * row;
      const float* from = gradients.pixel(y, 0);
      if (target.mode == GradientMode::kAccumulate) {
        for (int64_t i = 0; i < row; ++i) to[i] += from[i];
      } else {
        std::memcpy(to, from, static_cast<size_t>(row) * sizeof(float));
      }
    }
  });
}

// 1 / (number of elements that the window at each output pixel averages). [height, width]
void reciprocal_counts(const KernelCall& call, const WindowMap& map, float* reciprocals) {
  const auto inside = [&](const AxisMap& axis, int64_t position) {
    int64_t count = 0;
    for (int t = 0; t < axis.tap_count; ++t) {
      const int64_t at = position * axis.source_step + axis.taps[t].offset;
      count += call.node->count_include_pad || (at >= 0 && at < axis.source_size);
    }
    return count;
  };
  for (int64_t y = 0; y < map.rows.count; ++y) {
    for (int64_t x = 0; x < map.columns.count; ++x) {
      reciprocals[y * map.columns.count + x] = 1.0f / static_cast<float>(inside(map.rows, y) * inside(map.columns, x));
    }
  }
}

void avg_forward(Stream& stream, const KernelCall& call) {
  const Tensor &in = call.inputs[0], &out = call.output;
  const WindowMap map = forward_map(call.node->window, in, out);
  auto* reciprocals = static_cast<float*>(call.workspace);
  reciprocal_counts(call, map, reciprocals);
  depthwise_walk(stream, map,
                 {.source = in.data,
                  .target = out.data,
                  .weights = nullptr,
                  .batch = out.batch,
                  .channels = out.channels,
                  .target_height = out.height,
                  .target_width = out.width,
                  .kernel_columns = call.node->window.kernel[1],
                  .scale = reciprocals});
}

void avg_backward(Stream& stream, const KernelCall& call) {
  const Tensor &in = call.inputs[0], &out = call.output;
  if (call.input_gradients[0].mode == GradientMode::kIgnore) return;
  auto* reciprocals = static_cast<float*>(call.workspace);
  reciprocal_counts(call, forward_map(call.node->window, in, out), reciprocals);
  for_backward_maps(call.node->window, in, out, [&](const WindowMap& map) {
    depthwise_walk(stream, map,
                   {.source = call.output_gradient,
                    .target = call.input_gradients[0].data,
                    .weights = nullptr,
                    .batch = in.batch,
                    .channels = in.channels,
                    .target_height = in.height,
                    .target_width = in.width,
                    .kernel_columns = call.node->window.kernel[1],
                    .source_scale = reciprocals,
                    .mode = call.input_gradients[0].mode});
  });
}

size_t avg_workspace_bytes(const KernelCall& call, bool) {
  return static_cast<size_t>(call.output.height * call.output.width) * sizeof(float);
}

void global_forward(Stream& stream, const KernelCall& call) {
  const Tensor& in = call.inputs[0];
  const int64_t pixels = in.height * in.width, channels = in.channels;
  parallel(stream, in.batch, [&](int64_t n, int) {
    for (int64_t c = 0; c < channels; ++c) {
      double sum = 0;
      for (int64_t p = 0; p < pixels; ++p) sum += in.data[(n * pixels + p) * channels + c];
      call.output.data[n * channels + c] = static_cast<float>(sum / static_cast<double>(pixels));
    }
  });
}

void global_backward(Stream& stream, const KernelCall& call) {
  const Tensor& in = call.inputs[0];
  const GradientTarget& target = call.input_gradients[0];
  if (target.mode == GradientMode::kIgnore) return;
  const int64_t pixels = in.height * in.width, channels = in.channels;
  const float share = 1.0f / static_cast<float>(pixels);
  parallel(stream, in.batch, [&](int64_t n, int) {
    const float* dy = call.output_gradient + n * channels;
    for (int64_t p = 0; p < pixels; ++p) {
      float* to = target.data + (n * pixels + p) * channels;
      for (int64_t c = 0; c < channels; ++c) {
        to[c] = (target.mode == GradientMode::kAccumulate ? to[c] : 0) + share * dy[c];
      }
    }
  });
}

}  // namespace

const OpKernels max_pool_kernels = {max_forward, max_backward, nullptr};
const OpKernels avg_pool_kernels = {avg_forward, avg_backward, avg_workspace_bytes};
const OpKernels global_avg_pool_kernels = {global_forward, global_backward, nullptr};

}  // namespace dartsmith::cpu::DARTSMITH_ISA
