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
__attribute__((always_inline)) inline void store_sums(const Line& line, int64_t first, const Vec (&sums)[Count]) {
  unroll<Count>([&](auto i) __attribute__((always_inline)) {
    float* target = line.target + (first + i.value) * line.target_step;
    Vec result = sums[i.value];
    if (line.scale != nullptr) result *= splat(line.scale[(first + i.value) * line.scale_step]);
    if (line.accumulate) result += load_lanes<Whole>(target, line.lanes);
    if (Whole) {
      store(target, result);
    } else {
      store_first(target, result, line.lanes);
    }
  });
}

// Rows of a window whose taps are evenly spaced: known sizes let a loaded pixel serve all the targets that it touches.
struct Slide {
  const float* source;  // of the first tap of the first target; its rows and pixels are a step of the window apart
  int64_t source_pitch;
  int64_t kernel_row;                 // floats from one kernel row's source to the next's
  const float* weights;               // of the first tap
  int64_t weight_row, weight_column;  // floats from one tap's to the next's; negative where the kernel is turned
  float* target;
  int64_t target_pitch, target_step;
  int64_t rows, columns;  // targets
  Lanes lanes;
  bool accumulate;
  Traffic* traffic;
};

// `Count` neighbouring targets, each source pixel loaded once a kernel row; sums and weights in registers.
template <int Size, int Dilation, int Step, int Count, bool Whole>
__attribute__((always_inline)) inline void slide_positions(const Slide& slide, const float* source, float* target) {
  Vec sums[Count] = {};
  if (slide.accumulate) {
    unroll<Count>([&](auto i) __attribute__((always_inline)) {
      sums[i.value] = load_lanes<Whole>(target + i.value * slide.target_step, slide.lanes);
    });
  }
  const float* row_weights = slide.weights;
  for (int r = 0; r < Size; ++r, source += slide.kernel_row, row_weights += slide.weight_row) {
    hold(source);
    hold(row_weights);
    Vec weights[Size];
    unroll<Size>([&](auto k) __attribute__((always_inline)) {
      weights[k.value] = load_lanes<Whole>(row_weights + k.value * slide.weight_column, slide.lanes);
    });
    unroll<(Count - 1) * Step + (Size - 1) * Dilation + 1>([&](auto j) __attribute__((always_inline)) {
      Vec value = load(source + j.value * kLanes);
      hold(value);
      unroll<Size>([&](auto k) __attribute__((always_inline)) {
        constexpr int kReach = decltype(j)::value - decltype(k)::value * Dilation;
        if constexpr (kReach >= 0 && kReach % Step == 0 && kReach / Step < Count) {
          sums[kReach / Step] += weights[decltype(k)::value] * value;
        }
      });
    });
  }
  unroll<Count>([&](auto i) __attribute__((always_inline)) {
    if (Whole) {
      store(target, sums[i.value]);
    } else {
      store_first(target, sums[i.value], slide.lanes);
    }
    target += slide.target_step;
  });
}

// A function of its own: what stands around its loops would take registers from them.
template <int Size, int Dilation, int Step, bool Whole>
__attribute__((noinline)) void slide_row(const Slide& given, int64_t row) {
  const Slide slide = given;  // of its own: the compiler must not expect stores to change it
  // Sums, one kernel row's weights and a pixel fit in the registers.
  constexpr int kWide = !Whole || Step > 1 ? 4 : kSums >= 24 ? 16 : 8;
  const float* source = slide.source + row * slide.source_pitch;
  float* target = slide.target + row * slide.target_pitch;
  int64_t i = 0;
  const auto advance = [&](auto count) __attribute__((always_inline)) {
    constexpr int kCount = decltype(count)::value;
    for (; i + kCount <= slide.columns; i += kCount) {
      slide_positions<Size, Dilation, Step, kCount, Whole>(slide, source, target);
      source += kCount * Step * kLanes;
      target += kCount * slide.target_step;
    }
  };
  advance(Constant<kWide>{});
  if constexpr (kWide > 8) advance(Constant<8>{});
  if constexpr (kWide > 4) advance(Constant<4>{});
  advance(Constant<1>{});
}

template <int Size, int Dilation, int Step, bool Whole>
void slide_rows(const Slide& slide) {
  for (int64_t row = 0; row < slide.rows; ++row) {
    slide_row<Size, Dilation, Step, Whole>(slide, row);
    if (slide.traffic != nullptr) slide.traffic->during(slide.columns * Size * Size);
  }
}

using SlideRows = void (*)(const Slide&);

template <int Size, int Dilation>
SlideRows slide_rows_for(int64_t step, bool whole) {
  if (step == 1) return whole ? slide_rows<Size, Dilation, 1, true> : slide_rows<Size, Dilation, 1, false>;
  return whole ? slide_rows<Size, Dilation, 2, true> : slide_rows<Size, Dilation, 2, false>;
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

// The distance between neighbouring taps along both axes of a square window; 0 for any other window.
int64_t square_spacing(const WindowMap& map) {
  const int64_t distance = spacing(map.rows);
  return map.rows.tap_count == map.columns.tap_count && spacing(map.columns) == distance ? distance : 0;
}

// The kernel made for such a window, or null.
SlideRows find_slide(const WindowMap& map, const DepthwiseWalk& walk, bool whole) {
  if (walk.weights == nullptr || walk.scale != nullptr || map.columns.source_step > 2) return nullptr;
  const int64_t distance = square_spacing(map), dilation = distance < 0 ? -distance : distance;
  const int64_t step = map.columns.source_step;
  if (map.rows.tap_count == 3 && dilation == 1) return slide_rows_for<3, 1>(step, whole);
  if (map.rows.tap_count == 3 && dilation == 2) return slide_rows_for<3, 2>(step, whole);
  if (map.rows.tap_count == 5 && dilation == 1) return slide_rows_for<5, 1>(step, whole);
  if (map.rows.tap_count == 5 && dilation == 2) return slide_rows_for<5, 2>(step, whole);
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
    unroll<Count>([&](auto i) __attribute__((always_inline)) {
      sums[i.value] += weight * load(at + i.value * line.source_step);
    });
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
  for (int64_t c = 0; c < tile.channels; c += kLanes) {
    for (int64_t y = max(0, frame.top); y < min(map.rows.source_size, frame.top + frame.height); ++y) {
      for (int64_t x = max(0, frame.left); x < min(map.columns.source_size, frame.left + frame.width); ++x) {
        float* pixel = tile.pixel(c, y, x);
        store(pixel, load(pixel) * splat(scale[y * map.columns.source_size + x]));
      }
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

  // The first target pixel of a row.
  int64_t pixel(int64_t row) const {
    return (map.rows.target_phase + row * map.rows.target_step) * walk.target_width + map.columns.target_phase;
  }
};

void slide_block(const RowsWalk& w, int64_t channel, Lanes lanes, SlideRows slide_rows) {
  const AxisMap &rows = w.map.rows, &columns = w.map.columns;
  const int64_t channels = w.walk.channels, distance = spacing(rows), direction = distance < 0 ? -1 : 1;
  const AxisTap& row_tap = rows.taps[distance < 0 ? rows.tap_count - 1 : 0];
  const AxisTap& column_tap = columns.taps[distance < 0 ? columns.tap_count - 1 : 0];
  const int64_t kernel = int64_t{row_tap.kernel} * w.walk.kernel_columns + column_tap.kernel;
  Slide slide;
  slide.source = w.tile.plane(channel) + w.tile.offset(w.map, w.row_begin, row_tap, column_tap);
  slide.source_pitch = rows.source_step * w.tile.row_elements();
  slide.kernel_row = direction * distance * w.tile.row_elements();
  slide.weights = w.walk.weights + kernel * channels + channel;
  slide.weight_row = direction * w.walk.kernel_columns * channels;
  slide.weight_column = direction * channels;
  slide.target = w.target + w.pixel(w.row_begin) * channels + channel;
  slide.target_pitch = rows.target_step * w.walk.target_width * channels;
  slide.target_step = columns.target_step * channels;
  slide.rows = w.row_end - w.row_begin;
  slide.columns = columns.count;
  slide.lanes = lanes;
  slide.accumulate = w.walk.mode == GradientMode::kAccumulate;
  slide.traffic = w.walk.traffic;
  slide_rows(slide);
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
  const int64_t channels = w.walk.channels;
  for (int64_t row = w.row_begin; row < w.row_end; ++row) {
    const int64_t pixel = w.pixel(row);
    Line line;
    line.source = w.tile.plane(channel) + w.tile.offset(w.map, row, origin, origin);
    line.source_step = columns.source_step * kLanes;
    line.target = w.target + pixel * channels + channel;
    line.target_step = columns.target_step * channels;
    line.scale = w.walk.scale == nullptr ? nullptr : w.walk.scale + pixel;
    line.scale_step = columns.target_step;
    line.lanes = lanes;
    line.accumulate = w.walk.mode == GradientMode::kAccumulate;
    const auto go = lanes.whole() ? walk_line<true> : walk_line<false>;
    go(line, columns.count, taps, tap_count);
  }
}

// Target rows and their gradients, for the weights.
struct Correlation {
  const WindowMap& map;
  const Tile& tile;
  int64_t row_begin, row_end;
  const GradientImage& output_gradient;
  int kernel_columns;
  float* gradient;
  bool accumulate;
  Traffic* traffic;

  const float* gradient_row(int64_t row, int64_t channel) const {
    return output_gradient.data + row * output_gradient.row + channel / kLanes * output_gradient.vector;
  }
  // Of one tap and block of channels.
  void put(int64_t kernel, int64_t channel, Lanes lanes, Vec sum) const {
    float* to = gradient + kernel * tile.channels + channel;
    store_first(to, accumulate ? load_first(to, lanes) + sum : sum, lanes);
  }
};

// The weight gradients of `Taps` taps of one block of channels.
template <int Taps>
void correlate(const Correlation& c, int64_t channel, Lanes lanes, const int64_t* offsets, const int64_t* kernels) {
  Vec sums[Taps] = {};
  const int64_t step = c.map.columns.source_step * kLanes;
  for (int64_t row = c.row_begin; row < c.row_end; ++row) {
    const float* source = c.tile.plane(channel) + row * c.map.rows.source_step * c.tile.row_elements();
    const float* dy = c.gradient_row(row, channel);
    for (int64_t x = 0; x < c.map.columns.count; ++x, source += step, dy += c.output_gradient.pixel) {
      const Vec d = load_first(dy, lanes);
      for (int t = 0; t < Taps; ++t) sums[t] += d * load(source + offsets[t]);
    }
  }
  for (int t = 0; t < Taps; ++t) c.put(kernels[t], channel, lanes, sums[t]);
}

inline constexpr int kTapGroup = 4;

// All taps of one block of channels, some at a time.
void correlate_block(const Correlation& c, int64_t channel, Lanes lanes) {
  int64_t offsets[kTapGroup], kernels[kTapGroup];
  const AxisMap &rows = c.map.rows, &columns = c.map.columns;
  const int taps = rows.tap_count * columns.tap_count;
  int pending = 0;
  for (int tap = 0; tap < taps; ++tap) {
    const AxisTap &row_tap = rows.taps[tap / columns.tap_count], &column_tap = columns.taps[tap % columns.tap_count];
    offsets[pending] = c.tile.offset(c.map, 0, row_tap, column_tap);
    kernels[pending] = int64_t{row_tap.kernel} * c.kernel_columns + column_tap.kernel;
    if (++pending == kTapGroup) {
      correlate<kTapGroup>(c, channel, lanes, offsets, kernels);
      pending = 0;
    }
  }
  for (int t = 0; t < pending; ++t) correlate<1>(c, channel, lanes, offsets + t, kernels + t);
}

// `Count` neighbouring gradients in registers, each source pixel loaded once for all that it is multiplied by: `sums`
// of `Rows` kernel rows' taps. The order of a tap's sum is that of the gradients.
template <int Size, int Dilation, int Step, int Count, bool Whole, int Rows>
__attribute__((always_inline)) inline void correlate_positions(Vec (&sums)[Rows][Size], const float* source,
                                                               int64_t kernel_row, const float* dy, int64_t pixel,
                                                               Lanes lanes) {
  Vec gradients[Count];
  unroll<Count>([&](auto i) __attribute__((always_inline)) {
    gradients[i.value] = load_lanes<Whole>(dy, lanes);
    dy += pixel;
    hold(dy);
  });
  const float* rows[Rows];
  unroll<Rows>([&](auto r) __attribute__((always_inline)) {
    rows[r.value] = source;
    source += kernel_row;
    hold(source);
  });
  unroll<(Count - 1) * Step + (Size - 1) * Dilation + 1>([&](auto j) __attribute__((always_inline)) {
    unroll<Rows>([&](auto r) __attribute__((always_inline)) {
      Vec value = load(rows[r.value] + j.value * kLanes);
      hold(value);
      unroll<Size>([&](auto k) __attribute__((always_inline)) {
        constexpr int kReach = decltype(j)::value - decltype(k)::value * Dilation;
        if constexpr (kReach >= 0 && kReach % Step == 0 && kReach / Step < Count) {
          sums[r.value][k.value] += gradients[kReach / Step] * value;
        }
      });
    });
  });
}

// Kernel rows whose sums stay in registers.
template <int Size>
inline constexpr int kCorrelatedRows = Size == 3 || kSums >= 24 ? 3 : 2;

// Gradients beside them. Five taps two pixels apart have source pixels in common among eight, or it is not worth the
// registers.
template <int Size, int Dilation>
constexpr int correlated_gradients() {
  if (kSums < 12) return 2;
  if (Size == 3 || Dilation == 1) return 4;
  return kSums >= 24 ? 8 : 1;
}

template <int Rows, int Size>
__attribute__((always_inline)) inline void copy(const Vec (&from)[Rows][Size], Vec (&to)[Rows][Size]) {
  unroll<Rows * Size>([&](auto t) __attribute__((always_inline)) {
    to[t.value / Size][t.value % Size] = from[t.value / Size][t.value % Size];
  });
}

// The same for so many gradients, one by one: a function of its own, so that it takes no registers from the others'
// loop.
template <int Size, int Dilation, int Step, bool Whole, int Rows>
__attribute__((noinline)) void correlate_rest(Vec (&sums)[Rows][Size], const float* source, int64_t kernel_row,
                                              const float* dy, int64_t pixel, int64_t count, Lanes lanes) {
  Vec held[Rows][Size];
  copy(sums, held);
  for (; count > 0; --count, source += Step * kLanes, dy += pixel) {
    correlate_positions<Size, Dilation, Step, 1, Whole>(held, source, kernel_row, dy, pixel, lanes);
  }
  copy(held, sums);
}

// `Rows` kernel rows of a window, all their sums in registers.
template <int Size, int Dilation, int Step, int Rows, bool Whole>
void correlate_kernel_rows(const Correlation& c, int64_t channel, Lanes lanes, int first_row) {
  constexpr int kCount = correlated_gradients<Size, Dilation>();
  Vec sums[Rows][Size] = {};
  const int64_t kernel_row = Dilation * c.tile.row_elements(), pixel = c.output_gradient.pixel;
  const int64_t first = c.tile.offset(c.map, 0, c.map.rows.taps[first_row], c.map.columns.taps[0]);
  const int64_t columns = c.map.columns.count;
  for (int64_t row = c.row_begin; row < c.row_end; ++row) {
    const float* source = c.tile.plane(channel) + first + row * Step * c.tile.row_elements();
    const float* dy = c.gradient_row(row, channel);
    int64_t i = 0;
    for (; i + kCount <= columns; i += kCount, source += kCount * Step * kLanes, dy += kCount * pixel) {
      correlate_positions<Size, Dilation, Step, kCount, Whole>(sums, source, kernel_row, dy, pixel, lanes);
    }
    if (kCount > 1 && i < columns) {
      Vec rest[Rows][Size];
      copy(sums, rest);
      correlate_rest<Size, Dilation, Step, Whole>(rest, source, kernel_row, dy, pixel, columns - i, lanes);
      copy(rest, sums);
    }
    if (c.traffic != nullptr) c.traffic->during(columns * Rows * Size);
  }
  unroll<Rows * Size>([&](auto t) __attribute__((always_inline)) {
    constexpr int kRow = decltype(t)::value / Size, kColumn = decltype(t)::value % Size;
    const int64_t kernel =
        int64_t{c.map.rows.taps[first_row + kRow].kernel} * c.kernel_columns + c.map.columns.taps[kColumn].kernel;
    c.put(kernel, channel, lanes, sums[kRow][kColumn]);
  });
}

template <int Size, int Dilation, int Step, bool Whole>
void correlate_square(const Correlation& c, int64_t channel, Lanes lanes) {
  constexpr int kRows = kCorrelatedRows<Size>, kRest = Size % kRows;
  for (int row = 0; row + kRows <= Size; row += kRows) {
    correlate_kernel_rows<Size, Dilation, Step, kRows, Whole>(c, channel, lanes, row);
  }
  if constexpr (kRest > 0) correlate_kernel_rows<Size, Dilation, Step, kRest, Whole>(c, channel, lanes, Size - kRest);
}

using CorrelateBlock = void (*)(const Correlation&, int64_t channel, Lanes);

template <int Size, int Dilation>
CorrelateBlock correlate_square_for(int64_t step, bool whole) {
  if (step == 1) return whole ? correlate_square<Size, Dilation, 1, true> : correlate_square<Size, Dilation, 1, false>;
  return whole ? correlate_square<Size, Dilation, 2, true> : correlate_square<Size, Dilation, 2, false>;
}

// As find_slide: what is made for no window of its own takes its taps some at a time.
CorrelateBlock find_correlation(const WindowMap& map, bool whole) {
  const int64_t dilation = square_spacing(map), step = map.columns.source_step;
  if (step > 2 || map.rows.source_step != step) return correlate_block;
  if (map.rows.tap_count == 3 && dilation == 1) return correlate_square_for<3, 1>(step, whole);
  if (map.rows.tap_count == 3 && dilation == 2) return correlate_square_for<3, 2>(step, whole);
  if (map.rows.tap_count == 5 && dilation == 1) return correlate_square_for<5, 1>(step, whole);
  if (map.rows.tap_count == 5 && dilation == 2) return correlate_square_for<5, 2>(step, whole);
  return correlate_block;
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
    if (const SlideRows slide_rows = find_slide(map, walk, lanes.whole())) {
      slide_block(rows, channel, lanes, slide_rows);
    } else {
      walk_block(rows, channel, lanes);
    }
  }
}

void correlate_tile(const WindowMap& map, const Tile& tile, int64_t row_begin, int64_t row_end,
                    const GradientImage& output_gradient, int kernel_columns, float* gradient, GradientMode mode,
                    Traffic* traffic) {
  const Correlation correlation = {
      map,    tile, row_begin, row_end, output_gradient, kernel_columns, gradient, mode == GradientMode::kAccumulate,
      traffic};
  for (int64_t channel = 0; channel < tile.channels; channel += kLanes) {
    const Lanes lanes(tile.channels - channel);
    find_correlation(map, lanes.whole())(correlation, channel, lanes);
  }
}

int64_t depthwise_partials(const WindowMap& map, const Tensor& input, int64_t taps) {
  return input.batch * Strips(map, input.channels).count * taps * input.channels;
}

void depthwise_weight_gradient(Stream& stream, const WindowMap& map, const Tensor& input, const float* output_gradient,
                               int kernel_columns, int64_t taps, float* gradient, float* partials) {
  const Strips strips(map, input.channels);
  const int64_t size = taps * input.channels, gradients = map.rows.count * map.columns.count * input.channels;
  const int64_t image_elements = input.height * input.width * input.channels;
  parallel(stream, input.batch * strips.count, [&](int64_t task, int thread) {
    const int64_t image = task / strips.count, strip = task % strips.count;
    const int64_t begin = strips.begin(strip), end = strips.end(map, strip);
    const Tile tile{thread_scratch<float>(stream, thread, strips.elements), frame_of(map, begin, end), input.channels};
    load_tile(tile, input.data + image * image_elements, input.height, input.width, 0);
    const GradientImage from(output_gradient + image * gradients, map.columns.count, input.channels);
    correlate_tile(map, tile, begin, end, from, kernel_columns, partials + task * size, GradientMode::kOverwrite);
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
