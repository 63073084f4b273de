#include "cpu/product.h"

#include <cstring>

#include "cpu/depthwise.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

// Sums held in registers: rows x vectors, with room left for a row of the matrix and a broadcast.
inline constexpr int kRows = kProductRows;
inline constexpr int kVectors = kSums / kRows;

// The pixel that each of a run of consecutive flat positions (image, row, column) stands for.
struct Position {
  int64_t image, row, column;

  static Position at(const WindowMap& map, int64_t flat) {
    const int64_t image_size = map.rows.count * map.columns.count;
    const int64_t inside = flat % image_size;
    return {flat / image_size, inside / map.columns.count, inside % map.columns.count};
  }
  void advance(const WindowMap& map) {
    if (++column < map.columns.count) return;
    column = 0;
    if (++row < map.rows.count) return;
    row = 0;
    ++image;
  }
};

// The source pixel of one tap, or `outside` where the window leaves the image.
const float* source_pixel(const WindowMap& map, const Position& p, const AxisTap& row_tap, const AxisTap& column_tap,
                          const float* source, int64_t channels, const float* outside) {
  const int64_t y = p.row * map.rows.source_step + row_tap.offset;
  const int64_t x = p.column * map.columns.source_step + column_tap.offset;
  if (y < 0 || y >= map.rows.source_size || x < 0 || x >= map.columns.source_size) return outside;
  return source + ((p.image * map.rows.source_size + y) * map.columns.source_size + x) * channels;
}

// `Vectors` neighbouring vectors of a row, of which only the last may be partial.
template <int Vectors, bool Whole>
__attribute__((always_inline)) inline void load_row(const float* from, Lanes last_lanes, Vec* row) {
  unroll<Vectors>([&](auto v) __attribute__((always_inline)) {
    constexpr bool kPartial = !Whole && decltype(v)::value == Vectors - 1;
    row[v.value] = kPartial ? load_first(from + v.value * kLanes, last_lanes) : load(from + v.value * kLanes);
  });
}

// sums [Rows, Vectors] += values [Rows] times a row of vectors; value(i) gives each.
template <int Rows, int Vectors, typename Value>
__attribute__((always_inline)) inline void add_products(Vec (&sums)[Rows][Vectors], const Vec* row,
                                                        const Value& value) {
  unroll<Rows>([&](auto i) __attribute__((always_inline)) {
    const Vec factor = splat(value(i.value));
    unroll<Vectors>([&](auto v) __attribute__((always_inline)) { sums[i.value][v.value] += factor * row[v.value]; });
  });
}

// Sums [Rows, Vectors] to (or added to) rows of vectors: row(i) gives the address of each, `vector` floats between
// vectors.
template <int Rows, int Vectors, bool Whole, typename Row>
__attribute__((always_inline)) inline void store_sums(const Vec (&sums)[Rows][Vectors], const Row& row, int64_t vector,
                                                      Lanes last_lanes, bool accumulate) {
  unroll<Rows>([&](auto i) __attribute__((always_inline)) {
    float* to = row(i.value);
    unroll<Vectors>([&](auto v) __attribute__((always_inline)) {
      const Lanes lanes = !Whole && decltype(v)::value == Vectors - 1 ? last_lanes : Lanes();
      float* at = to + v.value * vector;
      const Vec sum = sums[i.value][v.value];
      store_first(at, accumulate ? load_first(at, lanes) + sum : sum, lanes);
    });
  });
}

struct ProductTile {
  const float* const* rows;      // [taps, kRows]
  const float* const* matrices;  // [taps], at this tile's first column
  int64_t taps;
  int64_t depth;
  int64_t matrix_row_stride;
  float* const* targets;  // [kRows], at this tile's first column
  Lanes last_lanes;       // of the last vector
  bool accumulate;
};

template <int Vectors, bool Whole>
void product_tile(const ProductTile& tile) {
  Vec sums[kRows][Vectors] = {};
  for (int64_t tap = 0; tap < tile.taps; ++tap) {
    const float* rows[kRows];
    unroll<kRows>([&](auto r) __attribute__((always_inline)) { rows[r.value] = tile.rows[tap * kRows + r.value]; });
    const float* matrix = tile.matrices[tap];
    for (int64_t c = 0; c < tile.depth; ++c, matrix += tile.matrix_row_stride) {
      Vec line[Vectors];
      load_row<Vectors, Whole>(matrix, tile.last_lanes, line);
      add_products(sums, line, [&](int r) { return rows[r][c]; });
    }
  }
  store_sums<kRows, Vectors, Whole>(
      sums, [&](int r) { return tile.targets[r]; }, kLanes, tile.last_lanes, tile.accumulate);
}

void product_tile(const ProductTile& tile, int vectors) {
  const bool whole = tile.last_lanes.whole();
  switch (vectors) {
    case 1:
      return whole ? product_tile<1, true>(tile) : product_tile<1, false>(tile);
    case 2:
      return whole ? product_tile<2, true>(tile) : product_tile<2, false>(tile);
    default:
      return whole ? product_tile<kVectors, true>(tile) : product_tile<kVectors, false>(tile);
  }
}

// Columns are cut into blocks of equal numbers of vectors: 4 vectors as 2 + 2, not 3 + 1.
int64_t vectors_per_block(int64_t width) {
  const int64_t vectors = divide_up(width, kLanes);
  return divide_up(vectors, divide_up(vectors, kVectors));
}

// Calls body(first column, vectors, lanes of the last vector) for each block of columns.
template <typename Body>
void for_column_blocks(int64_t width, const Body& body) {
  const int64_t per_block = vectors_per_block(width);
  for (int64_t column = 0; column < width; column += per_block * kLanes) {
    const int64_t left = min(width - column, per_block * kLanes);
    const auto vectors = static_cast<int>(divide_up(left, kLanes));
    body(column, vectors, Lanes(left - (vectors - 1) * kLanes));
  }
}

inline constexpr int64_t kFloatsPerPointer = sizeof(void*) / sizeof(float);

// Scratch of one thread's row_product task.
struct ProductScratch {
  const float** rows;      // [taps, kRows]
  const float** matrices;  // [taps]
  float* outside;          // [depth] zeros
  float* dump;             // [width]: where rows beyond the end go

  ProductScratch(Stream& stream, int thread, int64_t taps, int64_t depth, int64_t width) {
    const int64_t pointers = taps * (kRows + 1);
    const int64_t pointer_floats = pointers * kFloatsPerPointer;
    float* memory = thread_scratch<float>(stream, thread, pointer_floats + depth + width);
    rows = reinterpret_cast<const float**>(memory);
    matrices = rows + taps * kRows;
    outside = memory + pointer_floats;
    dump = outside + depth;
    fill(outside, depth + width, 0);
  }
};

void product_rows(const WindowMap& map, const RowProduct& product, const ProductScratch& scratch, int64_t begin,
                  int64_t end) {
  const int64_t taps = int64_t{map.rows.tap_count} * map.columns.tap_count;
  Position position = Position::at(map, begin);
  for (int64_t first = begin; first < end; first += kRows) {
    float* targets[kRows];
    for (int r = 0; r < kRows; ++r) {
      const bool real = first + r < end;
      const int64_t y = map.rows.target_phase + position.row * map.rows.target_step;
      const int64_t x = map.columns.target_phase + position.column * map.columns.target_step;
      const int64_t pixel = (position.image * product.target_height + y) * product.target_width + x;
      targets[r] = real ? product.target + pixel * product.target_channels : scratch.dump;
      const float** row = scratch.rows + r;
      for (int i = 0; i < map.rows.tap_count; ++i) {
        for (int j = 0; j < map.columns.tap_count; ++j, row += kRows) {
          *row = real ? source_pixel(map, position, map.rows.taps[i], map.columns.taps[j], product.source,
                                     product.source_channels, scratch.outside)
                      : scratch.outside;
        }
      }
      if (real) position.advance(map);
    }
    for_column_blocks(product.width, [&](int64_t column, int vectors, Lanes last_lanes) {
      const float** matrix = scratch.matrices;
      for (int i = 0; i < map.rows.tap_count; ++i) {
        for (int j = 0; j < map.columns.tap_count; ++j) {
          const int64_t kernel = int64_t{map.rows.taps[i].kernel} * product.kernel_columns + map.columns.taps[j].kernel;
          *matrix++ = product.matrix + kernel * product.matrix_tap_stride + column;
        }
      }
      float* at[kRows];
      for (int r = 0; r < kRows; ++r) at[r] = targets[r] + column;
      product_tile({scratch.rows, scratch.matrices, taps, product.depth, product.matrix_row_stride, at, last_lanes,
                    product.mode == GradientMode::kAccumulate},
                   vectors);
    });
  }
}

// One block of the correlation: `Rows` input channels x `Vectors` output channels, summed over pixels in registers.
template <int Rows, int Vectors, bool Whole>
void correlation_tile(const float* const* sources, const float* gradient, int64_t gradient_stride, int64_t pixels,
                      Lanes last_lanes, float* target, int64_t target_stride, bool accumulate) {
  Vec sums[Rows][Vectors] = {};
  for (int64_t p = 0; p < pixels; ++p) {
    const float* source = sources[p];
    Vec line[Vectors];
    load_row<Vectors, Whole>(gradient + p * gradient_stride, last_lanes, line);
    add_products(sums, line, [&](int r) { return source[r]; });
  }
  store_sums<Rows, Vectors, Whole>(
      sums, [&](int r) { return target + r * target_stride; }, kLanes, last_lanes, accumulate);
}

inline constexpr int64_t kRun = 256;  // pixels summed in registers before they join the partial sum

struct CorrelationRun {
  const float* sources[kRun];  // at the first input channel
  const float* gradient;       // at the first output channel
  int64_t gradient_stride;
  int64_t pixels;
  int64_t depth;
  int64_t width;
  float* target;  // [depth, width]
  bool accumulate;
};

// More than kRows at once only of one vector.
template <int Rows>
void correlate_channels(const CorrelationRun& run, int64_t channel) {
  const float* sources[kRun];
  for (int64_t p = 0; p < run.pixels; ++p) sources[p] = run.sources[p] + channel;
  for_column_blocks(run.width, [&](int64_t column, int vectors, Lanes last_lanes) {
    float* target = run.target + channel * run.width + column;
    const auto go = [&](auto count) {
      constexpr int kCount = decltype(count)::value;
      const auto tile =
          last_lanes.whole() ? correlation_tile<Rows, kCount, true> : correlation_tile<Rows, kCount, false>;
      tile(sources, run.gradient + column, run.gradient_stride, run.pixels, last_lanes, target, run.width,
           run.accumulate);
    };
    if (Rows > kRows || vectors == 1) return go(Constant<1>{});
    if constexpr (Rows <= kRows) vectors == 2 ? go(Constant<2>{}) : go(Constant<kVectors>{});
  });
}

void correlate_run(const CorrelationRun& run) {
  int64_t channel = 0;
  if (kSums >= 24 && divide_up(run.width, kLanes) == 1) {
    for (; channel + 16 <= run.depth; channel += 16) correlate_channels<16>(run, channel);
  }
  for (; channel + kRows <= run.depth; channel += kRows) correlate_channels<kRows>(run, channel);
  for (; channel + 2 <= run.depth; channel += 2) correlate_channels<2>(run, channel);
  if (channel < run.depth) correlate_channels<1>(run, channel);
}

// Contiguous rows times a block of columns of a matrix [depth, width], segment by segment: the rows of a segment follow
// one another in the target too.
struct RowsTimesBlock {
  const float* source;
  int64_t segments, rows;  // rows a segment
  int64_t depth;
  const float* matrix;  // at the block's first column
  int64_t width;
  float* target;                                      // likewise
  int64_t target_segment, target_row, target_vector;  // floats from one's to the next's
  Lanes last_lanes;                                   // of the block's last vector
  bool accumulate;
  Traffic* traffic;  // null for none
};

// `Rows` rows from row r on. A depth known when compiling makes every row's address a constant away from one register;
// 0 stands for any depth.
template <int Rows, int Vectors, int Depth, bool Whole>
__attribute__((always_inline)) inline void multiply_tile(const RowsTimesBlock& block, int64_t r) {
  const int64_t depth = Depth > 0 ? Depth : block.depth;
  const float* source = block.source + r * depth;
  const float* matrix = block.matrix;
  Vec sums[Rows][Vectors] = {};
  for (int64_t c = 0; c < depth; ++c, matrix += block.width) {
    Vec line[Vectors];
    load_row<Vectors, Whole>(matrix, block.last_lanes, line);
    add_products(sums, line, [&](int i) { return source[i * depth + c]; });
  }
  float* row = block.target + r * block.target_row;
  store_sums<Rows, Vectors, Whole>(
      sums,
      [&](int i) {
        float* to = row;
        if (i < Rows - 1) row += block.target_row;
        hold(row);
        return to;
      },
      block.target_vector, block.last_lanes, block.accumulate);
}

// As many tiles of `Rows` rows as fit from row r on, then half as many rows at a time down to one.
template <int Rows, int Vectors, int Depth, bool Whole>
__attribute__((always_inline)) inline void multiply_segment(const RowsTimesBlock& block, int64_t r) {
  for (; r + Rows <= block.rows; r += Rows) {
    multiply_tile<Rows, Vectors, Depth, Whole>(block, r);
    if (block.traffic != nullptr) block.traffic->during(Rows * Vectors * block.depth);
  }
  if constexpr (Rows > 1) {
    if (r < block.rows) multiply_segment<Rows / 2, Vectors, Depth, Whole>(block, r);
  }
}

template <int Rows, int Vectors, int Depth, bool Whole>
void multiply_segments(const RowsTimesBlock& given) {
  RowsTimesBlock block = given;  // of its own: the compiler must not expect stores to change it
  for (int64_t segment = 0; segment < block.segments; ++segment) {
    multiply_segment<Rows, Vectors, Depth, Whole>(block, 0);
    block.source += block.rows * block.depth;
    block.target += block.target_segment;
  }
}

template <int Vectors>
void multiply_block(const RowsTimesBlock& block) {
  constexpr int kTall = kSums >= 24 && Vectors == 1 ? 16 : kRows;
  if (!block.last_lanes.whole()) return multiply_segments<kRows, Vectors, 0, false>(block);
  switch (block.depth) {
    case 16:
      return multiply_segments<kTall, Vectors, 16, true>(block);
    case 32:
      return multiply_segments<kTall, Vectors, 32, true>(block);
    case 64:
      return multiply_segments<kTall, Vectors, 64, true>(block);
    case 128:
      return multiply_segments<kTall, Vectors, 128, true>(block);
    case 256:
      return multiply_segments<kTall, Vectors, 256, true>(block);
    default:
      return multiply_segments<kRows, Vectors, 0, true>(block);
  }
}

// All columns of the matrix, block by block.
void multiply_columns(RowsTimesBlock& product) {
  const float* matrix = product.matrix;
  float* target = product.target;
  for_column_blocks(product.width, [&](int64_t column, int vectors, Lanes last_lanes) {
    product.matrix = matrix + column;
    product.target = target + column / kLanes * product.target_vector;
    product.last_lanes = last_lanes;
    const auto multiply = vectors == 1   ? multiply_block<1>
                          : vectors == 2 ? multiply_block<2>
                                         : multiply_block<kVectors>;
    multiply(product);
  });
}

inline constexpr int64_t kMostPieces = 32, kLeastPixels = 2 * kRun;  // of a piece

}  // namespace

int64_t correlation_grain(int64_t pixels) {
  return max(kLeastPixels, divide_up(divide_up(pixels, kMostPieces), kRun) * kRun);
}

int64_t most_pieces(int64_t pixels) {
  return min(kMostPieces, divide_up(pixels, kLeastPixels));
}

void row_product(Stream& stream, const WindowMap& map, const RowProduct& product) {
  const int64_t pixels = product.batch * map.rows.count * map.columns.count;
  const int64_t taps = int64_t{map.rows.tap_count} * map.columns.tap_count;
  if (taps == 0 && product.mode == GradientMode::kAccumulate) return;  // between the pixels that a stride reads
  constexpr int64_t kGrain = 32 * kRows;
  parallel(stream, divide_up(pixels, kGrain), [&](int64_t task, int thread) {
    const ProductScratch scratch(stream, thread, taps, product.depth, product.width);
    product_rows(map, product, scratch, task * kGrain, min(pixels, (task + 1) * kGrain));
  });
}

int64_t correlation_partials(const WindowMap& map, int64_t batch, int64_t taps, int64_t depth, int64_t width) {
  return (most_pieces(batch * map.rows.count * map.columns.count) + 1) * taps * depth * width;
}

void row_correlation(Stream& stream, const WindowMap& map, const RowCorrelation& correlation, float* partials) {
  const int64_t pixels = correlation.batch * map.rows.count * map.columns.count;
  const int64_t grain = correlation_grain(pixels), pieces = divide_up(pixels, grain);
  const int64_t tap_size = correlation.depth * correlation.width, size = correlation.taps * tap_size;
  parallel(stream, pieces, [&](int64_t piece, int thread) {
    float* outside = thread_scratch<float>(stream, thread, correlation.depth);
    fill(outside, correlation.depth, 0);
    float* partial = partials + piece * size;
    fill(partial, size, 0);
    CorrelationRun run;
    run.gradient_stride = correlation.output_channels;
    run.depth = correlation.depth;
    run.width = correlation.width;
    run.accumulate = true;
    const int64_t end = min(pixels, (piece + 1) * grain);
    for (int64_t first = piece * grain; first < end; first += kRun) {
      run.pixels = min(kRun, end - first);
      run.gradient = correlation.output_gradient + first * correlation.output_channels;
      for (int r = 0; r < map.rows.tap_count; ++r) {
        for (int c = 0; c < map.columns.tap_count; ++c) {
          const AxisTap &row_tap = map.rows.taps[r], &column_tap = map.columns.taps[c];
          Position position = Position::at(map, first);
          for (int64_t p = 0; p < run.pixels; ++p, position.advance(map)) {
            run.sources[p] = source_pixel(map, position, row_tap, column_tap, correlation.source,
                                          correlation.source_channels, outside);
          }
          const int64_t kernel = int64_t{row_tap.kernel} * correlation.kernel_columns + column_tap.kernel;
          run.target = partial + kernel * tap_size;
          correlate_run(run);
        }
      }
    }
  });
  // A group's columns are a slice of each gradient row: sum into one block, then place its rows.
  float* summed = partials + pieces * size;
  reduce_partials(stream, partials, pieces, size, summed);
  for (int64_t row = 0; row < correlation.taps * correlation.depth; ++row) {
    std::memcpy(correlation.gradient + row * correlation.gradient_row_stride, summed + row * correlation.width,
                static_cast<size_t>(correlation.width) * sizeof(float));
  }
}

void multiply_rows(const float* source, int64_t rows, int64_t depth, const float* matrix, int64_t width, float* target,
                   GradientMode mode, Traffic* traffic) {
  RowsTimesBlock product = {.source = source,
                            .segments = 1,
                            .rows = rows,
                            .depth = depth,
                            .matrix = matrix,
                            .width = width,
                            .target = target,
                            .target_segment = 0,
                            .target_row = width,
                            .target_vector = kLanes,
                            .last_lanes = {},
                            .accumulate = mode == GradientMode::kAccumulate,
                            .traffic = traffic};
  multiply_columns(product);
}

void multiply_into_tile(const float* source, int64_t rows, int64_t columns, int64_t depth, const float* matrix,
                        const Tile& tile, int64_t row, Traffic* traffic) {
  RowsTimesBlock product = {.source = source,
                            .segments = rows,
                            .rows = columns,
                            .depth = depth,
                            .matrix = matrix,
                            .width = tile.channels,
                            .target = tile.pixel(0, row, 0),
                            .target_segment = tile.row_elements(),
                            .target_row = kLanes,
                            .target_vector = tile.plane_elements(),
                            .last_lanes = {},
                            .accumulate = false,
                            .traffic = traffic};
  multiply_columns(product);
}

void correlate_rows(const float* source, int64_t rows, int64_t depth, const float* gradient, int64_t width,
                    float* target, GradientMode mode) {
  CorrelationRun run;
  run.gradient_stride = width;
  run.depth = depth;
  run.width = width;
  run.target = target;
  for (int64_t first = 0; first < rows; first += kRun) {
    run.pixels = min(kRun, rows - first);
    run.gradient = gradient + first * width;
    run.accumulate = first > 0 || mode == GradientMode::kAccumulate;
    for (int64_t p = 0; p < run.pixels; ++p) run.sources[p] = source + (first + p) * depth;
    correlate_run(run);
  }
}

// [taps, inputs, outputs] to [taps, outputs, inputs]
void transpose(const float* weight, int64_t taps, int64_t inputs, int64_t outputs, float* transposed) {
  for (int64_t t = 0; t < taps; ++t) {
    for (int64_t i = 0; i < inputs; ++i) {
      for (int64_t o = 0; o < outputs; ++o) {
        transposed[(t * outputs + o) * inputs + i] = weight[(t * inputs + i) * outputs + o];
      }
    }
  }
}

}  // namespace dartsmith::cpu::DARTSMITH_ISA
