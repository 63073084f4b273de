// Depthwise walks over padded tiles: convolution, its data gradient, and average pooling (all weights one).
#pragma once
#include "cpu/tile.h"

namespace dartsmith::cpu::DARTSMITH_ISA {

// target [batch, height, width, channels] at the map's target positions (=|+=) sum over taps of weight[tap] * source.
// `weights` is [kernel rows, kernel columns, channels]; null counts as ones. `scale` of the target position multiplies
// the result, `source_scale` of the source position its source; null for none.
struct DepthwiseWalk {
  const float* source;  // null where the caller loads the tiles
  float* target;
  const float* weights;
  int64_t batch, channels;
  int64_t target_height, target_width;
  int kernel_columns;
  const float* scale = nullptr;         // [target height, target width]
  const float* source_scale = nullptr;  // [source height, source width]
  GradientMode mode = GradientMode::kOverwrite;
  Traffic* traffic = nullptr;  // on the way
};

void depthwise_walk(Stream& stream, const WindowMap& map, const DepthwiseWalk& walk);

// The target rows [row_begin, row_end) of one image from a tile that holds what they read. `target` is where the target
// image's row 0 would lie.
void walk_rows(const WindowMap& map, const DepthwiseWalk& walk, const Tile& tile, int64_t row_begin, int64_t row_end,
               float* target);

// One image's gradients at the target positions: strides in floats.
struct GradientImage {
  const float* data;           // of target row 0
  int64_t row, pixel, vector;  // `vector`: from kLanes channels to the next

  // Of an image [rows, columns, channels].
  GradientImage(const float* image, int64_t columns, int64_t channels)
      : data(image), row(columns * channels), pixel(channels), vector(kLanes) {}
  explicit GradientImage(const Tile& tile)
      : data(tile.pixel(0, 0, 0)), row(tile.row_elements()), pixel(kLanes), vector(tile.plane_elements()) {}
};

// The part of dL/dweights [kernel rows, kernel columns, channels] (=|+=) that the target rows [row_begin, row_end) of
// one image give.
void correlate_tile(const WindowMap& map, const Tile& tile, int64_t row_begin, int64_t row_end,
                    const GradientImage& output_gradient, int kernel_columns, float* gradient, GradientMode mode,
                    Traffic* traffic = nullptr);

// dL/dweights [kernel rows, kernel columns, channels], overwritten, from input and output gradient of a forward map.
// `partials`: depthwise_partials() floats.
void depthwise_weight_gradient(Stream& stream, const WindowMap& map, const Tensor& input, const float* output_gradient,
                               int kernel_columns, int64_t taps, float* gradient, float* partials);
int64_t depthwise_partials(const WindowMap& map, const Tensor& input, int64_t taps);

// target[i] = sum over t of partials[t * count + i], in the order of t, in double.
void reduce_partials(Stream& stream, const float* partials, int64_t pieces, int64_t count, float* target);

}  // namespace dartsmith::cpu::DARTSMITH_ISA
