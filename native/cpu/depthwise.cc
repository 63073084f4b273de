#include "cpu/depthwise.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

inline constexpr int64_t kMaxWalkTaps = int64_t{kMaxTaps} * kMaxTaps;

struct TapRef {
  int64_t offset;        // from the walk's first source element
  const float* weights;  // of this block of channels; null for ones
};

struct Line {
  const float* source;
  int64_t source_step;
  float* target;
  int64_t target_step;
  const float* scale;
  int64_t scale_step;
  Lanes lanes;
  bool accumulate;
};

// `Count` neighbouring target positions of one block of channels, all taps, sums in registers.
template <int Count, bool Whole>
void walk_positions(const Line& line, int64_t first, const TapRef* taps, int64_t tap_count) {
  Vec sums[Count] = {};
  const float* source = line.source + first * line.source_step;
  for (int64_t t = 0; t < tap_count; ++t) {
    const Vec weight = taps[t].weights == nullptr ? splat(1)
                       : Whole                    ? load(taps[t].weights)
                                                  : load_first(taps[t].weights, line.lanes);
    const float* at = source + taps[t].offset;
    for (int i = 0; i < Count; ++i) {
      const Vec value = Whole ? load(at + i * line.source_step) : load_first(at + i * line.source_step, line.lanes);
      sums[i] += weight * value;
    }
  }
  for (int i = 0; i < Count; ++i) {
    float* target = line.target + (first + i) * line.target_step;
    Vec result = sums[i];
    if (line.scale != nullptr) result *= splat(line.scale[(first + i) * line.scale_step]);
    if (line.accumulate) result += Whole ? load(target) : load_first(target, line.lanes);
    if (Whole) {
      store(target, result);
    } else {
      store_first(target, result, line.lanes);
    }
  }
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

void scale_tile(const Tile& tile, const WindowMap& map, const float* scale) {
  const int64_t first_row = tile.row_begin * map.rows.source_step + map.rows.lowest();
  const int64_t rows = map.rows.highest(tile.row_end - tile.row_begin) - map.rows.lowest();
  for (int64_t r = max(0, -first_row); r < min(rows, map.rows.source_size - first_row); ++r) {
    for (int64_t c = 0; c < tile.width; ++c) {
      const int64_t x = c + map.columns.lowest();
      if (x < 0 || x >= map.columns.source_size) continue;
      const float factor = scale[(first_row + r) * map.columns.source_size + x];
      float* pixel = tile.data + (r * tile.width + c) * tile.channels;
      for (int64_t k = 0; k < tile.channels; ++k) pixel[k] *= factor;
    }
  }
}

struct WalkTile {
  const WindowMap& map;
  const DepthwiseWalk& walk;
  const Tile& tile;
  int64_t image;
};

void walk_block(const WalkTile& t, int64_t channel, Lanes lanes, TapRef* taps) {
  int64_t tap_count = 0;
  const AxisMap& rows = t.map.rows;
  const AxisMap& columns = t.map.columns;
  for (int r = 0; r < rows.tap_count; ++r) {
    for (int c = 0; c < columns.tap_count; ++c) {
      const int64_t kernel = int64_t{rows.taps[r].kernel} * t.walk.kernel_columns + columns.taps[c].kernel;
      taps[tap_count++] = {t.tile.offset(t.map, t.tile.row_begin, rows.taps[r], columns.taps[c]),
                           t.walk.weights == nullptr ? nullptr : t.walk.weights + kernel * t.walk.channels + channel};
    }
  }
  const int64_t channels = t.walk.channels;
  for (int64_t row = t.tile.row_begin; row < t.tile.row_end; ++row) {
    const int64_t y = rows.target_phase + row * rows.target_step;
    const int64_t pixel = y * t.walk.target_width + columns.target_phase;
    const int64_t image_pixel = t.image * t.walk.target_height * t.walk.target_width + pixel;
    Line line;
    line.source = t.tile.data + (row - t.tile.row_begin) * rows.source_step * t.tile.width * channels + channel;
    line.source_step = columns.source_step * channels;
    line.target = t.walk.target + image_pixel * channels + channel;
    line.target_step = columns.target_step * channels;
    line.scale = t.walk.scale == nullptr ? nullptr : t.walk.scale + pixel;
    line.scale_step = columns.target_step;
    line.lanes = lanes;
    line.accumulate = t.walk.mode == GradientMode::kAccumulate;
    if (lanes.whole()) {
      walk_line<true>(line, columns.count, taps, tap_count);
    } else {
      walk_line<false>(line, columns.count, taps, tap_count);
    }
  }
}

// The weight gradients of `Taps` taps of one block of channels over one tile, added to `gradient` (stride `channels`).
template <int Taps>
void correlate(const Tile& tile, const WindowMap& map, const int64_t* offsets, const float* output_gradient,
               int64_t channels, Lanes lanes, float* gradient, const int64_t* kernels) {
  Vec sums[Taps] = {};
  const int64_t row_stride = map.rows.source_step * tile.width * channels;
  const int64_t column_stride = map.columns.source_step * channels;
  for (int64_t row = tile.row_begin; row < tile.row_end; ++row) {
    const float* source = tile.data + (row - tile.row_begin) * row_stride;
    const float* dy = output_gradient + row * map.columns.count * channels;
    for (int64_t x = 0; x < map.columns.count; ++x) {
      const Vec d = load_first(dy + x * channels, lanes);
      for (int t = 0; t < Taps; ++t) sums[t] += d * load_first(source + offsets[t] + x * column_stride, lanes);
    }
  }
  for (int t = 0; t < Taps; ++t) {
    float* at = gradient + kernels[t] * channels;
    store_first(at, load_first(at, lanes) + sums[t], lanes);
  }
}

void correlate_block(const Tile& tile, const WindowMap& map, const float* output_gradient, int kernel_columns,
                     int64_t channels, int64_t channel, Lanes lanes, float* gradient) {
  constexpr int kGroup = kRegisters == 32 ? 9 : 5;
  int64_t offsets[kGroup], kernels[kGroup];
  int pending = 0;
  const auto flush = [&] {
    const auto go = [&](auto taps) {
      correlate<decltype(taps)::value>(tile, map, offsets, output_gradient + channel, channels, lanes,
                                       gradient + channel, kernels);
    };
    switch (pending) {
      case 9:
        go(Constant<9>{});
        break;
      case 8:
        go(Constant<8>{});
        break;
      case 7:
        go(Constant<7>{});
        break;
      case 6:
        go(Constant<6>{});
        break;
      case 5:
        go(Constant<5>{});
        break;
      case 4:
        go(Constant<4>{});
        break;
      case 3:
        go(Constant<3>{});
        break;
      case 2:
        go(Constant<2>{});
        break;
      case 1:
        go(Constant<1>{});
        break;
      default:
        break;
    }
    pending = 0;
  };
  for (int r = 0; r < map.rows.tap_count; ++r) {
    for (int c = 0; c < map.columns.tap_count; ++c) {
      offsets[pending] = tile.offset(map, tile.row_begin, map.rows.taps[r], map.columns.taps[c]) + channel;
      kernels[pending] = int64_t{map.rows.taps[r].kernel} * kernel_columns + map.columns.taps[c].kernel;
      if (++pending == kGroup) flush();
    }
  }
  flush();
}

}  // namespace

void depthwise_walk(Stream& stream, const WindowMap& map, const DepthwiseWalk& walk) {
  if (map.rows.count == 0 || map.columns.count == 0) return;
  const TilePlan plan = plan_tiles(map, walk.channels);
  parallel(stream, walk.batch * plan.strips, [&](int64_t task, int thread) {
    float* scratch = thread_scratch<float>(stream, thread, plan.elements());
    const int64_t image = task / plan.strips;
    const Tile tile = load_tile(plan, map, walk.source, image, task % plan.strips, scratch, 0);
    if (walk.source_scale != nullptr) scale_tile(tile, map, walk.source_scale);
    walk_tile(map, walk, tile, image);
  });
}

void walk_tile(const WindowMap& map, const DepthwiseWalk& walk, const Tile& tile, int64_t image) {
  TapRef taps[kMaxWalkTaps];
  for (int64_t channel = 0; channel < walk.channels; channel += kLanes) {
    walk_block({map, walk, tile, image}, channel, Lanes(walk.channels - channel), taps);
  }
}

void correlate_tile(const WindowMap& map, const Tile& tile, const float* output_gradient, int kernel_columns,
                    float* gradient) {
  for (int64_t channel = 0; channel < tile.channels; channel += kLanes) {
    const Lanes lanes(tile.channels - channel);
    correlate_block(tile, map, output_gradient, kernel_columns, tile.channels, channel, lanes, gradient);
  }
}

int64_t depthwise_partials(const WindowMap& map, const Tensor& input, int64_t taps) {
  return input.batch * plan_tiles(map, input.channels).strips * taps * input.channels;
}

void depthwise_weight_gradient(Stream& stream, const WindowMap& map, const Tensor& input, const float* output_gradient,
                               int kernel_columns, int64_t taps, float* gradient, float* partials) {
  const TilePlan plan = plan_tiles(map, input.channels);
  const int64_t size = taps * input.channels;
  const int64_t image_elements = map.rows.count * map.columns.count * input.channels;
  parallel(stream, input.batch * plan.strips, [&](int64_t task, int thread) {
    float* scratch = thread_scratch<float>(stream, thread, plan.elements());
    const int64_t image = task / plan.strips;
    const Tile tile = load_tile(plan, map, input.data, image, task % plan.strips, scratch, 0);
    float* partial = partials + task * size;
    fill(partial, size, 0);
    correlate_tile(map, tile, output_gradient + image * image_elements, kernel_columns, partial);
  });
  reduce_partials(stream, partials, input.batch * plan.strips, size, gradient);
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
