// maxPool, avgPool.
#include "cpu/pool.h"

#include "cpu/depthwise.h"
#include "cpu/kernels.h"
#include "cpu/moments.h"
#include "cpu/pool_around.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

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

// Calls body(first window element in the tile, output element, lanes) for each pixel of an output image's
// rows [row_begin, row_end) and block of channels.
template <typename Body>
void for_windows(const WindowMap& map, const Tile& tile, int64_t row_begin, int64_t row_end, const Body& body) {
  const int64_t channels = tile.channels;
  for (int64_t row = row_begin; row < row_end; ++row) {
    for (int64_t x = 0; x < map.columns.count; ++x) {
      const int64_t pixel = row * map.columns.count + x;
      const int64_t first = row * map.rows.source_step * tile.row_elements() + x * map.columns.source_step * kLanes;
      for (int64_t c = 0; c < channels; c += kLanes) {
        body(first + c / kLanes * tile.plane_elements(), pixel * channels + c, Lanes(channels - c));
      }
    }
  }
}

int64_t image_elements(const Tensor& tensor) {
  return tensor.height * tensor.width * tensor.channels;
}

void max_forward(Stream& stream, const KernelCall& call) {
  const PoolAttributes& pool = attributes_of<PoolAttributes>(call);
  const Tensor &in = call.inputs[0], &out = call.output;
  const WindowMap map = forward_map(pool.window, in, out);
  const Strips strips(map, in.channels);
  parallel(stream, in.batch * strips.count, [&](int64_t task, int thread) {
    const int64_t image = task / strips.count, strip = task % strips.count;
    const int64_t begin = strips.begin(strip), end = strips.end(map, strip);
    const Tile tile{thread_scratch<float>(stream, thread, strips.elements), frame_of(map, begin, end), in.channels};
    load_tile(tile, in.data + image * image_elements(in), in.height, in.width, kLowest);
    const WindowOffsets offsets(map, tile);
    float* target = out.data + image * image_elements(out);
    for_windows(map, tile, begin, end, [&](int64_t first, int64_t output, Lanes lanes) {
      Vec best = load(tile.data + first + offsets.at[0]);
      for (int64_t t = 1; t < offsets.count; ++t) {
        best = larger(load(tile.data + first + offsets.at[t]), best);
      }
      store_first(target + output, best, lanes);
    });
  });
}

// The lanes in which something holds.
#if defined(__AVX512F__)
typedef __mmask16 Where;
Where equal(Vec a, Vec b) {
  return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_EQ_OQ);
}
Vec add_where(Where where, Vec sum, Vec value) {
  return (Vec)_mm512_mask_add_ps((__m512)sum, where, (__m512)sum, (__m512)value);
}
#else
typedef Mask Where;
Where equal(Vec a, Vec b) {
  return a == b;
}
Vec add_where(Where where, Vec sum, Vec value) {
  return sum + (where ? value : Vec{});
}
#endif

// Each output's gradient goes to the first largest element of its window, in row order. `tile` holds the image with
// kLowest outside, `gradients` the same frame, accumulated.
void max_unpool(const WindowMap& map, const Tile& tile, const float* output_gradient, const Tile& gradients) {
  const WindowOffsets offsets(map, tile);
  float* gradient = gradients.data;
  for_windows(map, tile, 0, map.rows.count, [&](int64_t first, int64_t output, Lanes lanes) {
    const Vec dy = load_first(output_gradient + output, lanes);
    Vec best = load(tile.data + first + offsets.at[0]);
    for (int64_t t = 1; t < offsets.count; ++t) best = max(load(tile.data + first + offsets.at[t]), best);
    Where open = ~Where{};
    for (int64_t t = 0; t < offsets.count; ++t) {
      const int64_t at = first + offsets.at[t];
      const Where chosen = open & equal(load(tile.data + at), best);
      store(gradient + at, add_where(chosen, load(gradient + at), dy));
      open &= ~chosen;
    }
  });
}

// The same for 3x3 windows at every position, along one row of them: a column's values and gradients stay in registers
// while the windows go by. `values` and `gradients` are of the first window's first element.
void max_unpool_row(const float* values, float* gradients, int64_t row_elements, const float* output_gradient,
                    int64_t pixel, int64_t count, Lanes lanes) {
  Vec value[3][3], sums[3][3];  // [column, row]
  const auto load_column = [&](int at, int64_t x) __attribute__((always_inline)) {
    unroll<3>([&](auto r) __attribute__((always_inline)) {
      value[at][r.value] = load(values + r.value * row_elements + x * kLanes);
      sums[at][r.value] = load(gradients + r.value * row_elements + x * kLanes);
    });
  };
  const auto store_column = [&](int at, int64_t x) __attribute__((always_inline)) {
    unroll<3>([&](auto r) __attribute__((always_inline)) {
      store(gradients + r.value * row_elements + x * kLanes, sums[at][r.value]);
    });
  };
  load_column(0, 0);
  load_column(1, 1);
  for (int64_t x = 0; x < count; ++x) {
    load_column(2, x + 2);
    Vec best = value[0][0];
    unroll<8>([&](auto t) __attribute__((always_inline)) {
      constexpr int kTap = decltype(t)::value + 1;
      best = max(value[kTap % 3][kTap / 3], best);
    });
    const Vec dy = load_first(output_gradient + x * pixel, lanes);
    Where open = ~Where{};
    unroll<9>([&](auto t) __attribute__((always_inline)) {
      constexpr int kTap = decltype(t)::value;
      const Where chosen = open & equal(value[kTap % 3][kTap / 3], best);
      sums[kTap % 3][kTap / 3] = add_where(chosen, sums[kTap % 3][kTap / 3], dy);
      open &= ~chosen;
    });
    store_column(0, x);
    unroll<3>([&](auto r) __attribute__((always_inline)) {
      for (int at = 0; at < 2; ++at) {
        value[at][r.value] = value[at + 1][r.value];
        sums[at][r.value] = sums[at + 1][r.value];
      }
    });
  }
  store_column(0, count);
  store_column(1, count + 1);
}

// The part of a frame's gradients that lies in the image, to the image's gradient.
void leave_frame(const Tile& gradients, int64_t height, int64_t width, float* target, GradientMode mode) {
  const int64_t channels = gradients.channels;
  for (int64_t y = 0; y < height; ++y) {
    for_channels(channels, [&](int64_t c, Lanes lanes) {
      const float* from = gradients.pixel(c, y, 0);
      float* to = target + y * width * channels + c;
      for (int64_t x = 0; x < width; ++x, from += kLanes, to += channels) {
        const Vec value = load(from);
        store_first(to, mode == GradientMode::kAccumulate ? load_first(to, lanes) + value : value, lanes);
      }
    });
  }
}

// What the windows read, and the whole image too where they leave part of it out.
Frame pooled_frame(const WindowMap& map) {
  return unite(frame_of(map), {0, 0, map.rows.source_size, map.columns.source_size});
}

// An image's gradient from that of its max pooling. `scratch`: twice the frame.
void max_unpool_image(const WindowMap& map, int64_t channels, const float* image, const float* output_gradient,
                      float* target, GradientMode mode, float* scratch) {
  const Frame frame = pooled_frame(map);
  const int64_t elements = Tile::elements(frame, channels);
  const int64_t height = map.rows.source_size, width = map.columns.source_size;
  const Tile tile{scratch, frame, channels}, gradients{scratch + elements, frame, channels};
  load_tile(tile, image, height, width, kLowest);
  fill(gradients.data, elements, 0);
  if (is_three_around(map)) {
    const int64_t first = tile.offset(map, 0, map.rows.taps[0], map.columns.taps[0]);
    for_channels(channels, [&](int64_t c, Lanes lanes) {
      for (int64_t row = 0; row < map.rows.count; ++row) {
        const int64_t at = first + row * tile.row_elements();
        max_unpool_row(tile.plane(c) + at, gradients.plane(c) + at, tile.row_elements(),
                       output_gradient + row * map.columns.count * channels + c, channels, map.columns.count, lanes);
      }
    });
  } else {
    max_unpool(map, tile, output_gradient, gradients);
  }
  leave_frame(gradients, height, width, target, mode);
}

// One image a task: windows overlap.
void max_backward(Stream& stream, const KernelCall& call) {
  const PoolAttributes& pool = attributes_of<PoolAttributes>(call);
  const Tensor& in = call.inputs[0];
  const GradientTarget& target = call.input_gradients[0];
  if (target.mode == GradientMode::kIgnore) return;
  const WindowMap map = forward_map(pool.window, in, call.output);
  const int64_t elements = 2 * Tile::elements(pooled_frame(map), in.channels);
  parallel(stream, in.batch, [&](int64_t image, int thread) {
    const int64_t first = image * image_elements(in);
    max_unpool_image(map, in.channels, in.data + first, call.output_gradient + image * image_elements(call.output),
                     target.data + first, target.mode, thread_scratch<float>(stream, thread, elements));
  });
}

// Elements of the window at a position that count, along one axis; poolings have no dilation.
int64_t counted(const AxisMap& axis, int64_t position, bool include_pad) {
  if (include_pad) return axis.tap_count;
  const int64_t first = position * axis.source_step + axis.taps[0].offset;
  return min(axis.source_size, first + axis.tap_count) - max(0, first);
}

float reciprocal_count(const PoolAttributes& pool, const WindowMap& map, int64_t row, int64_t column) {
  return 1.0f / static_cast<float>(counted(map.rows, row, pool.count_include_pad) *
                                   counted(map.columns, column, pool.count_include_pad));
}

// Of each output pixel. [height, width]
void reciprocal_counts(const PoolAttributes& pool, const WindowMap& map, float* reciprocals) {
  for (int64_t y = 0; y < map.rows.count; ++y) {
    for (int64_t x = 0; x < map.columns.count; ++x) {
      reciprocals[y * map.columns.count + x] = reciprocal_count(pool, map, y, x);
    }
  }
}

void avg_forward(Stream& stream, const KernelCall& call) {
  const PoolAttributes& pool = attributes_of<PoolAttributes>(call);
  const Tensor &in = call.inputs[0], &out = call.output;
  const WindowMap map = forward_map(pool.window, in, out);
  auto* reciprocals = static_cast<float*>(call.workspace);
  reciprocal_counts(pool, map, reciprocals);
  depthwise_walk(stream, map,
                 {.source = in.data,
                  .target = out.data,
                  .weights = nullptr,
                  .batch = out.batch,
                  .channels = out.channels,
                  .target_height = out.height,
                  .target_width = out.width,
                  .kernel_columns = pool.window.kernel[1],
                  .scale = reciprocals});
}

void avg_backward(Stream& stream, const KernelCall& call) {
  const PoolAttributes& pool = attributes_of<PoolAttributes>(call);
  const Tensor &in = call.inputs[0], &out = call.output;
  if (call.input_gradients[0].mode == GradientMode::kIgnore) return;
  auto* reciprocals = static_cast<float*>(call.workspace);
  reciprocal_counts(pool, forward_map(pool.window, in, out), reciprocals);
  for_backward_maps(pool.window, in, out, [&](const WindowMap& map) {
    depthwise_walk(stream, map,
                   {.source = call.output_gradient,
                    .target = call.input_gradients[0].data,
                    .weights = nullptr,
                    .batch = in.batch,
                    .channels = in.channels,
                    .target_height = in.height,
                    .target_width = in.width,
                    .kernel_columns = pool.window.kernel[1],
                    .source_scale = reciprocals,
                    .mode = call.input_gradients[0].mode});
  });
}

size_t avg_workspace_bytes(const KernelCall& call, bool) {
  return static_cast<size_t>(call.output.height * call.output.width) * sizeof(float);
}

// Calls emit(i, lanes, join of element i of all `sources`) for each of `elements`; three, as most windows have, are
// written out.
template <typename Join, typename Emit>
void join_all(const float* const* sources, int count, int64_t elements, const Join& join, const Emit& emit) {
  const float *a = sources[0], *b = sources[count - 1], *middle = sources[count / 2];
  for (int64_t i = 0; i < elements; i += kLanes) {
    const Lanes lanes(elements - i);
    Vec value = load_first(a + i, lanes);
    if (count == 3) {
      value = join(load_first(middle + i, lanes), value);
    } else {
      for (int t = 1; t < count - 1; ++t) value = join(load_first(sources[t] + i, lanes), value);
    }
    if (count > 1) value = join(load_first(b + i, lanes), value);
    emit(i, lanes, value);
  }
}

// Calls emit(element of the row, lanes, join of the window) for one row of an image's pooling, first along the columns
// of a window, then along its rows: neighbouring pixels are one pixel's channels apart. `scratch`: a joined row with
// its halo, [frame width, channels].
template <typename Join, typename Emit>
void pool_image_row(const WindowMap& map, int64_t channels, const float* image, int64_t row, float neutral,
                    float* scratch, const Join& join, const Emit& emit) {
  const Frame frame = pooled_frame(map);
  const int64_t elements = map.columns.count * channels, before = -frame.left * channels;
  float* joined = scratch + before;
  fill(scratch, before, neutral);
  fill(joined + elements, frame.width * channels - before - elements, neutral);
  const float* rows[kMaxTaps];
  int count = 0;
  for (int t = 0; t < map.rows.tap_count; ++t) {
    const int64_t y = row + map.rows.taps[t].offset;
    if (y >= 0 && y < map.rows.source_size) rows[count++] = image + y * elements;
  }
  join_all(rows, count, elements, join, [&](int64_t i, Lanes lanes, Vec v) { store_first(joined + i, v, lanes); });
  const float* shifted[kMaxTaps];
  for (int t = 0; t < map.columns.tap_count; ++t) shifted[t] = joined + map.columns.taps[t].offset * channels;
  join_all(shifted, map.columns.tap_count, elements, join, emit);
}

Vec added(Vec value, Vec sum) {
  return value + sum;
}

}  // namespace

const OpKernels max_pool_kernels = {max_forward, max_backward, nullptr};
const OpKernels avg_pool_kernels = {avg_forward, avg_backward, avg_workspace_bytes};

Pooling::Pooling(const PoolAttributes& pool, const Tensor& input)
    : pool_(pool),
      map_(forward_map(pool.window, input, input)),
      back_{backward_axis(pool.window, 0, input.height, input.height, 0),
            backward_axis(pool.window, 1, input.width, input.width, 0)},
      channels_(input.channels) {}

int64_t Pooling::row_elements() const {
  return pooled_frame(map_).width * channels_;
}

void Pooling::find_reciprocals(int64_t row, float* reciprocals) const {
  for (int64_t x = 0; x < map_.columns.count; ++x) {
    fill(reciprocals + x * channels_, channels_, reciprocal_count(pool_, map_, row, x));
  }
}

int64_t Pooling::scratch_elements() const {
  return max(around_elements(map_.columns.count), row_elements() + map_.columns.count * channels_);
}

bool Pooling::is_around() const {
  return is_three_around(map_);
}

// Calls body(row, reciprocals of its elements) for each row; rows in the middle of an image share theirs.
template <typename Body>
void Pooling::for_averaged_rows(int64_t row_begin, int64_t row_end, float* reciprocals, const Body& body) const {
  int64_t known = -1;
  for (int64_t row = row_begin; row < row_end; ++row) {
    const int64_t count = counted(map_.rows, row, pool_.count_include_pad);
    if (count != known) find_reciprocals(row, reciprocals);
    known = count;
    body(row, reciprocals);
  }
}

void Pooling::pool_rows(const float* image, int64_t row_begin, int64_t row_end, float* target, float* scratch,
                        Ahead ahead) const {
  if (is_around()) {
    const PooledImage pooled{image, map_.rows.count, map_.columns.count, channels_, pool_.count_include_pad};
    const auto store_rows = [&](int64_t c, Lanes lanes, const auto& rows) {
      rows([&](int64_t pixel, Vec largest, Vec average) {
        store_first(target + pixel * channels_ + c, pool_.takes_max ? largest : average, lanes);
      });
    };
    if (pool_.takes_max) return pool_around<true, false>(pooled, row_begin, row_end, scratch, ahead, store_rows);
    return pool_around<false, true>(pooled, row_begin, row_end, scratch, ahead, store_rows);
  }
  const int64_t elements = map_.columns.count * channels_;
  if (pool_.takes_max) {
    for (int64_t row = row_begin; row < row_end; ++row, target += elements) {
      pool_image_row(map_, channels_, image, row, kLowest, scratch, larger,
                     [&](int64_t i, Lanes lanes, Vec value) { store_first(target + i, value, lanes); });
    }
    return;
  }
  for_averaged_rows(row_begin, row_end, scratch + row_elements(), [&](int64_t row, const float* reciprocals) {
    float* to = target + (row - row_begin) * elements;
    pool_image_row(map_, channels_, image, row, 0, scratch, added, [&](int64_t i, Lanes lanes, Vec sum) {
      store_first(to + i, sum * load_first(reciprocals + i, lanes), lanes);
    });
  });
}

bool Pooling::pair(const Pooling& largest, const Pooling& average) {
  return largest.pool_.takes_max && !average.pool_.takes_max && largest.is_around() && average.is_around();
}

void Pooling::pool_rows(const Pooling& largest, const Pooling& average, const float* image, int64_t row_begin,
                        int64_t row_end, float* to_largest, float* to_average, float* scratch, Ahead ahead) {
  const int64_t channels = largest.channels_;
  const PooledImage pooled{image, largest.map_.rows.count, largest.map_.columns.count, channels,
                           average.pool_.count_include_pad};
  pool_around<true, true>(pooled, row_begin, row_end, scratch, ahead, [&](int64_t c, Lanes lanes, const auto& rows) {
    rows([&](int64_t pixel, Vec most, Vec mean) {
      store_first(to_largest + pixel * channels + c, most, lanes);
      store_first(to_average + pixel * channels + c, mean, lanes);
    });
  });
}

int64_t Pooling::unpool_elements() const {
  return max(2 * Tile::elements(pooled_frame(map_), channels_), scratch_elements());
}

void Pooling::unpool(const float* image, float* pooled_gradient, float* target, GradientMode mode,
                     float* scratch) const {
  if (pool_.takes_max) {
    return max_unpool_image(map_, channels_, image, pooled_gradient, target, mode, scratch);
  }
  const int64_t elements = map_.columns.count * channels_;
  for_averaged_rows(0, map_.rows.count, scratch + row_elements(), [&](int64_t row, const float* reciprocals) {
    float* at = pooled_gradient + row * elements;
    for (int64_t i = 0; i < elements; i += kLanes) {
      const Lanes lanes(elements - i);
      store_first(at + i, load_first(at + i, lanes) * load_first(reciprocals + i, lanes), lanes);
    }
  });
  for (int64_t row = 0; row < map_.rows.count; ++row, target += elements) {
    pool_image_row(back_, channels_, pooled_gradient, row, 0, scratch, added, [&](int64_t i, Lanes lanes, Vec value) {
      if (mode == GradientMode::kAccumulate) value += load_first(target + i, lanes);
      store_first(target + i, value, lanes);
    });
  }
}

}  // namespace dartsmith::cpu::DARTSMITH_ISA
