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
        at[count++] = tile.offset(map, tile.row_begin, map.rows.taps[r], map.columns.taps[c]);
      }
    }
  }
};

// Calls body(first window element in the tile, output element, lanes) for each output pixel and block of channels.
template <typename Body>
void for_windows(const WindowMap& map, const Tile& tile, int64_t image, const Body& body) {
  const int64_t channels = tile.channels;
  for (int64_t row = tile.row_begin; row < tile.row_end; ++row) {
    for (int64_t x = 0; x < map.columns.count; ++x) {
      const int64_t pixel = (image * map.rows.count + row) * map.columns.count + x;
      const int64_t first =
          ((row - tile.row_begin) * map.rows.source_step * tile.width + x * map.columns.source_step) * channels;
      for (int64_t c = 0; c < channels; c += kLanes) {
        body(first + c, pixel * channels + c, Lanes(channels - c));
      }
    }
  }
}

void max_forward(Stream& stream, const KernelCall& call) {
  const Tensor& in = call.inputs[0];
  const WindowMap map = forward_map(call.node->window, in, call.output);
  const TilePlan plan = plan_tiles(map, in.channels);
  parallel(stream, in.batch * plan.strips, [&](int64_t task, int thread) {
    float* scratch = thread_scratch<float>(stream, thread, plan.elements());
    const int64_t image = task / plan.strips;
    const Tile tile = load_tile(plan, map, in.data, image, task % plan.strips, scratch, kLowest);
    const WindowOffsets offsets(map, tile);
    for_windows(map, tile, image, [&](int64_t first, int64_t output, Lanes lanes) {
      Vec best = load_first(tile.data + first + offsets.at[0], lanes);
      for (int64_t t = 1; t < offsets.count; ++t) {
        best = larger(load_first(tile.data + first + offsets.at[t], lanes), best);
      }
      store_first(call.output.data + output, best, lanes);
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
  TilePlan plan = plan_tiles(map, in.channels);
  plan.strip_rows = map.rows.count;
  plan.strips = 1;
  plan.max_rows = map.rows.highest(map.rows.count) - map.rows.lowest();
  const int64_t elements = plan.elements();
  parallel(stream, in.batch, [&](int64_t image, int thread) {
    float* scratch = thread_scratch<float>(stream, thread, 2 * elements);
    float* gradient = scratch + elements;
    const Tile tile = load_tile(plan, map, in.data, image, 0, scratch, kLowest);
    fill(gradient, elements, 0);
    const WindowOffsets offsets(map, tile);
    for_windows(map, tile, image, [&](int64_t first, int64_t output, Lanes lanes) {
      const Vec dy = load_first(call.output_gradient + output, lanes);
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
    const int64_t row_elements = in.width * in.channels;
    const int64_t top = -map.rows.lowest(), left = -map.columns.lowest();
    for (int64_t y = 0; y < in.height; ++y) {
      float* to = target.data + (image * in.height + y) * row_elements;
      const int64_t covered = y + top < plan.max_rows ? min(in.width, plan.width - left) * in.channels : 0;
      const float* from = gradient + ((y + top) * plan.width + left) * in.channels;
      if (target.mode == GradientMode::kAccumulate) {
        for (int64_t i = 0; i < covered; ++i) to[i] += from[i];
      } else {
        std::memcpy(to, from, static_cast<size_t>(covered) * sizeof(float));
        fill(to + covered, row_elements - covered, 0);
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
                  .scale = reciprocals,
                  .source_scale = nullptr,
                  .mode = GradientMode::kOverwrite});
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
                    .scale = nullptr,
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
