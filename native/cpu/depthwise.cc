#include "cpu/depthwise.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

inline constexpr int64_t kMaxWalkTaps = int64_t{kMaxTaps} * kMaxTaps;

// One row of target positions of one block of channels.
struct Line {
  const float* source;  // what offset 0 reads for target position 0
  int64_t source_step;
  float* target;
  int64_t target_step;
  const float* scale;
  int64_t scale_step;
  Lanes lanes;
  bool accumulate;
};

template <bool Whole>
Vec load_lanes(const float* from, Lanes lanes) {
  return Whole ? load(from) : load_first(from, lanes);
}

template <int Count, bool Whole>
void store_sums(const Line& line, int64_t first, const Vec* sums) {
  for (int i = 0; i < Count; ++i) {
    float* target = line.target + (first + i) * line.target_step;
    Vec result = sums[i];
    if (line.scale != nullptr) result *= splat(line.scale[(first + i) * line.scale_step]);
    if (line.accumulate) result += load_lanes<Whole>(target, line.lanes);
    if (Whole) {
      store(target, result);
    } else {
      store_first(target, result, line.lanes);
    }
  }
}

// A window whose taps are evenly spaced: known sizes let a loaded pixel serve all the targets that it touches.
struct Slide {
  int64_t source_row;   // floats from one kernel row's source to the next's
  const float* weights; // of the first tap
  int64_t weight_row;   // floats from one kernel row's weights to the next's; negative where the kernel is turned
  int64_t weight_column;
};

// `Count` neighbouring target positions, each source pixel loaded once a kernel row; sums and weights in registers.
template <int Size, int Dilation, int Step, int Count, bool Whole>
void slide_positions(const Line& line, const Slide& slide, int64_t first, int64_t pixel) {
  Vec sums[Count] = {};
  const float* source = line.source + first * line.source_step;
  const float* row_weights = slide.weights;
  for (int r = 0; r < Size; ++r, source += slide.source_row, row_weights += slide.weight_row) {
    Vec weights[Size];
    unroll<Size>([&](auto k) __attribute__((always_inline)) {
      weights[k.value] = load_lanes<Whole>(row_weights + k.value * slide.weight_column, line.lanes);
    });
    unroll<(Count - 1) * Step + (Size - 1) * Dilation + 1>([&](auto j) __attribute__((always_inline)) {
      const Vec value = load_lanes<Whole>(source + j.value * pixel, line.lanes);
      unroll<Size>([&](auto k) __attribute__((always_inline)) {
        constexpr int kReach = decltype(j)::value - decltype(k)::value * Dilation;
        if constexpr (kReach >= 0 && kReach % Step == 0 && kReach / Step < Count) {
          sums[kReach / Step] += weights[decltype(k)::value] * value;
        }
      });
    });
  }
  store_sums<Count, Whole>(line, first, sums);
}

template <int Size, int Dilation, int Step, bool Whole>
void slide_line(const Line& line, const Slide& slide, int64_t count, int64_t pixel) {
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) slide_positions<Size, Dilation, Step, 8, Whole>(line, slide, i, pixel);
  if (i + 4 <= count) {
    slide_positions<Size, Dilation, Step, 4, Whole>(line, slide, i, pixel);
    i += 4;
  }
  for (; i < count; ++i) slide_positions<Size, Dilation, Step, 1, Whole>(line, slide, i, pixel);
}

using SlideLine = void (*)(const Line&, const Slide&, int64_t count, int64_t pixel);

template <int Size, int Dilation>
SlideLine slide_line_for(int64_t step, bool whole) {
  if (step == 1) return whole ? slide_line<Size, Dilation, 1, true> : slide_line<Size, Dilation, 1, false>;
  return whole ? slide_line<Size, Dilation, 2, true> : slide_line<Size, Dilation, 2, false>;
}

// The distance between the taps of an axis, negative where the kernel is turned; 0 where they are not evenly spaced.
int64_t spacing(const AxisMap& axis) {
  if (axis.tap_count < 2) return 0;
  const int64_t distance = axis.taps[1].offset - axis.taps[0].offset;
  for (int t = 1; t < axis.tap_count; ++t) {
    if (axis.taps[t].offset - axis.taps[t - 1].offset != distance) return 0;
    if (axis.taps[t].kernel - axis.taps[t - 1].kernel != 1) return 0;
  }
  return distance;
}

// The kernel made for such a window, or null.
SlideLine find_slide(const WindowMap& map, const DepthwiseWalk& walk, bool whole) {
  if (walk.weights == nullptr || map.rows.tap_count != map.columns.tap_count) return nullptr;
  const int64_t distance = spacing(map.rows), step = map.columns.source_step;
  if (spacing(map.columns) != distance || step > 2) return nullptr;
  const int64_t dilation = distance < 0 ? -distance : distance;
  if (map.rows.tap_count == 3 && dilation == 1) return slide_line_for<3, 1>(step, whole);
  if (map.rows.tap_count == 3 && dilation == 2) return slide_line_for<3, 2>(step, whole);
  if (map.rows.tap_count == 5 && dilation == 1) return slide_line_for<5, 1>(step, whole);
  if (map.rows.tap_count == 5 && dilation == 2) return slide_line_for<5, 2>(step, whole);
  return nullptr;
}

// Any window.
struct TapRef {
  int64_t offset;        // from the line's source
  const float* weights;  // of this block of channels; null for ones
};

// `Count` neighbouring target positions, all taps, sums in registers.
template <int Count, bool Whole>
void walk_positions(const Line& line, int64_t first, const TapRef* taps, int64_t tap_count) {
  Vec sums[Count] = {};
  const float* source = line.source + first * line.source_step;
  for (int64_t t = 0; t < tap_count; ++t) {
    const Vec weight = taps[t].weights == nullptr ? splat(1) : load_lanes<Whole>(taps[t].weights, line.lanes);
    const float* at = source + taps[t].offset;
    for (int i = 0; i < Count; ++i) sums[i] += weight * load_lanes<Whole>(at + i * line.source_step, line.lanes);
  }
  store_sums<Count, Whole>(line, first, sums);
}

template <bool Whole>
void walk_line(const Line& line, int64_t count, const TapRef* taps, int64_t tap_count) {
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) walk_positions<8, Whole>(line, i, taps, tap_count);
  if (i + 4 <= count) {
    walk_positions<4, Whole>(line, i, taps, tap_count);
    i += 4;
  }
  for (; i < count; ++i) walk_positions<1, Whole>(line, i, taps, tap_count);
}

// Multiplies the part of the tile that lies inside the source image.
void scale_tile(const Tile& tile, const WindowMap& map, const float* scale) {
  const Frame& frame = tile.frame;
  for (int64_t y = max(0, frame.top); y < min(map.rows.source_size, frame.top + frame.height); ++y) {
    for (int64_t x = max(0, frame.left); x < min(map.columns.source_size, frame.left + frame.width); ++x) {
      const float factor = scale[y * map.columns.source_size + x];
      float* pixel = tile.pixel(y, x);
      for (int64_t k = 0; k < tile.channels; ++k) pixel[k] *= factor;
    }
  }
}

// Target rows of one image.
struct RowsWalk {
  const WindowMap& map;
  const DepthwiseWalk& walk;
  const Tile& tile;
  int64_t row_begin, row_end;
  float* target;
};

// Calls body(line) for each row of one block of channels, its source read by `first_row_tap` and `first_column_tap`.
template <typename Body>
void for_lines(const RowsWalk& w, int64_t channel, Lanes lanes, const AxisTap& row_tap, const AxisTap& column_tap,
               const Body& body) {
  const AxisMap &rows = w.map.rows, &columns = w.map.columns;
  const int64_t channels = w.walk.channels;
  for (int64_t row = w.row_begin; row < w.row_end; ++row) {
    const int64_t pixel = (rows.target_phase + row * rows.target_step) * w.walk.target_width + columns.target_phase;
    Line line;
    line.source = w.tile.data + w.tile.offset(w.map, row, row_tap, column_tap) + channel;
    line.source_step = columns.source_step * channels;
    line.target = w.target + pixel * channels + channel;
    line.target_step = columns.target_step * channels;
    line.scale = w.walk.scale == nullptr ? nullptr : w.walk.scale + pixel;
    line.scale_step = columns.target_step;
    line.lanes = lanes;
    line.accumulate = w.walk.mode == GradientMode::kAccumulate;
    body(line);
  }
}

void slide_block(const RowsWalk& w, int64_t channel, Lanes lanes, SlideLine slide_line) {
  const AxisMap &rows = w.map.rows, &columns = w.map.columns;
  const bool turned = spacing(rows) < 0;
  const AxisTap& row_tap = rows.taps[turned ? rows.tap_count - 1 : 0];
  const AxisTap& column_tap = columns.taps[turned ? columns.tap_count - 1 : 0];
  const int64_t channels = w.walk.channels, direction = turned ? -1 : 1;
  Slide slide;
  slide.source_row = direction * spacing(rows) * w.tile.row_elements();
  slide.weights =
      w.walk.weights + (int64_t{row_tap.kernel} * w.walk.kernel_columns + column_tap.kernel) * channels + channel;
  slide.weight_row = direction * w.walk.kernel_columns * channels;
  slide.weight_column = direction * channels;
  for_lines(w, channel, lanes, row_tap, column_tap,
            [&](const Line& line) { slide_line(line, slide, columns.count, channels); });
}

void walk_block(const RowsWalk& w, int64_t channel, Lanes lanes) {
  TapRef taps[kMaxWalkTaps];
  int64_t tap_count = 0;
  const AxisMap &rows = w.map.rows, &columns = w.map.columns;
  const AxisTap origin = {0, 0};
  const int64_t base = w.tile.offset(w.map, 0, origin, origin);
  for (int r = 0; r < rows.tap_count; ++r) {
    for (int c = 0; c < columns.tap_count; ++c) {
      const int64_t kernel = int64_t{rows.taps[r].kernel} * w.walk.kernel_columns + columns.taps[c].kernel;
      taps[tap_count++] = {w.tile.offset(w.map, 0, rows.taps[r], columns.taps[c]) - base,
                           w.walk.weights == nullptr ? nullptr : w.walk.weights + kernel * w.walk.channels + channel};
    }
  }
  for_lines(w, channel, lanes, origin, origin, [&](const Line& line) {
    const auto go = lanes.whole() ? walk_line<true> : walk_line<false>;
    go(line, columns.count, taps, tap_count);
  });
}

// Target rows and their gradients, for the weights.
struct Correlation {
  const WindowMap& map;
  const Tile& tile;
  int64_t row_begin, row_end;
  const float* output_gradient;  // at target row 0
  int64_t gradient_pitch;
  int kernel_columns;
  float* gradient;
};

// The weight gradients of `Taps` taps of one block of channels, added to `gradient` (stride `channels`).
template <int Taps>
void correlate(const Correlation& c, int64_t channel, Lanes lanes, const int64_t* offsets, const int64_t* kernels) {
  Vec sums[Taps] = {};
  const int64_t channels = c.tile.channels, column_stride = c.map.columns.source_step * channels;
  for (int64_t row = c.row_begin; row < c.row_end; ++row) {
    const float* source = c.tile.data + row * c.map.rows.source_step * c.tile.row_elements() + channel;
    const float* dy = c.output_gradient + row * c.gradient_pitch + channel;
    for (int64_t x = 0; x < c.map.columns.count; ++x) {
      const Vec d = load_first(dy + x * channels, lanes);
      for (int t = 0; t < Taps; ++t) sums[t] += d * load_first(source + offsets[t] + x * column_stride, lanes);
    }
  }
  for (int t = 0; t < Taps; ++t) {
    float* at = c.gradient + kernels[t] * channels + channel;
    store_first(at, load_first(at, lanes) + sums[t], lanes);
  }
}

inline constexpr int kTapGroup = kRegisters == 32 ? 25 : 9;

// `Taps` or fewer taps.
template <int Taps>
void correlate_taps(const Correlation& c, int64_t channel, Lanes lanes, const int64_t* offsets, const int64_t* kernels,
                    int taps) {
  if constexpr (Taps > 0) {
    if (taps == Taps) return correlate<Taps>(c, channel, lanes, offsets, kernels);
    correlate_taps<Taps - 1>(c, channel, lanes, offsets, kernels, taps);
  }
}

// All taps of one block of channels, as many at a time as there are registers for.
void correlate_block(const Correlation& c, int64_t channel, Lanes lanes) {
  int64_t offsets[kTapGroup], kernels[kTapGroup];
  const AxisMap &rows = c.map.rows, &columns = c.map.columns;
  const int taps = rows.tap_count * columns.tap_count;
  for (int first = 0; first < taps; first += kTapGroup) {
    const int pending = taps - first < kTapGroup ? taps - first : kTapGroup;
    for (int t = 0; t < pending; ++t) {
      const AxisTap& row_tap = rows.taps[(first + t) / columns.tap_count];
      const AxisTap& column_tap = columns.taps[(first + t) % columns.tap_count];
      offsets[t] = c.tile.offset(c.map, 0, row_tap, column_tap);
      kernels[t] = int64_t{row_tap.kernel} * c.kernel_columns + column_tap.kernel;
    }
    correlate_taps<kTapGroup>(c, channel, lanes, offsets, kernels, pending);
  }
}

}  // namespace

void depthwise_walk(Stream& stream, const WindowMap& map, const DepthwiseWalk& walk) {
  if (map.rows.count == 0 || map.columns.count == 0) return;
  const Strips strips(map, walk.channels);
  const int64_t height = map.rows.source_size, width = map.columns.source_size;
  parallel(stream, walk.batch * strips.count, [&](int64_t task, int thread) {
    const int64_t image = task / strips.count, strip = task % strips.count;
    const int64_t begin = strips.begin(strip), end = strips.end(map, strip);
    const Tile tile{thread_scratch<float>(stream, thread, strips.elements), frame_of(map, begin, end), walk.channels};
    load_tile(tile, walk.source + image * height * width * walk.channels, height, width, 0);
    if (walk.source_scale != nullptr) scale_tile(tile, map, walk.source_scale);
    walk_rows(map, walk, tile, begin, end,
              walk.target + image * walk.target_height * walk.target_width * walk.channels);
  });
}

void walk_rows(const WindowMap& map, const DepthwiseWalk& walk, const Tile& tile, int64_t row_begin, int64_t row_end,
               float* target) {
  const RowsWalk rows = {map, walk, tile, row_begin, row_end, target};
  for (int64_t channel = 0; channel < walk.channels; channel += kLanes) {
    const Lanes lanes(walk.channels - channel);
    if (const SlideLine slide_line = find_slide(map, walk, lanes.whole())) {
      slide_block(rows, channel, lanes, slide_line);
    } else {
      walk_block(rows, channel, lanes);
    }
  }
}

void correlate_tile(const WindowMap& map, const Tile& tile, int64_t row_begin, int64_t row_end,
                    const float* output_gradient, int64_t gradient_pitch, int kernel_columns, float* gradient) {
  const Correlation correlation = {map,           tile,           row_begin,      row_end, output_gradient,
                                   gradient_pitch, kernel_columns, gradient};
  for (int64_t channel = 0; channel < tile.channels; channel += kLanes) {
    correlate_block(correlation, channel, Lanes(tile.channels - channel));
  }
}

int64_t depthwise_partials(const WindowMap& map, const Tensor& input, int64_t taps) {
  return input.batch * Strips(map, input.channels).count * taps * input.channels;
}

void depthwise_weight_gradient(Stream& stream, const WindowMap& map, const Tensor& input, const float* output_gradient,
                               int kernel_columns, int64_t taps, float* gradient, float* partials) {
  const Strips strips(map, input.channels);
  const int64_t size = taps * input.channels, pitch = map.columns.count * input.channels;
  const int64_t image_elements = input.height * input.width * input.channels;
  parallel(stream, input.batch * strips.count, [&](int64_t task, int thread) {
    const int64_t image = task / strips.count, strip = task % strips.count;
    const int64_t begin = strips.begin(strip), end = strips.end(map, strip);
    const Tile tile{thread_scratch<float>(stream, thread, strips.elements), frame_of(map, begin, end), input.channels};
    load_tile(tile, input.data + image * image_elements, input.height, input.width, 0);
    float* partial = partials + task * size;
    fill(partial, size, 0);
    correlate_tile(map, tile, begin, end, output_gradient + image * map.rows.count * pitch, pitch, kernel_columns,
                   partial);
  });
  reduce_partials(stream, partials, input.batch * strips.count, size, gradient);
}

void reduce_partials(Stream& stream, const float* partials, int64_t pieces, int64_t count, float* target) {
  constexpr int64_t kBlock = 256;
  parallel_ranges(stream, count, kBlock, [&](int64_t begin, int64_t end) {
    double sums[kBlock] = {};
    for (int64_t piece = 0; piece < pieces; ++piece) {
      const float* from = partials + piece * count + begin;
      for (int64_t i = 0; i < end - begin; ++i) sums[i] += from[i];
    }
    for (int64_t i = 0; i < end - begin; ++i) target[begin + i] = static_cast<float>(sums[i]);
  });
}

}  // namespace dartsmith::cpu::DARTSMITH_ISA
