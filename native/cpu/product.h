// Dense convolutions as products of gathered rows with a matrix: rows are pixels (their channels), found through
// pointers, so that padding, strides and dilation need no copy of the input. Also serves linear layers (images of one
// pixel).
#pragma once
#include "cpu/tile.h"

namespace dartsmith::cpu::DARTSMITH_ISA {

// Rows that a product takes at once: fewer leave registers idle.
inline constexpr int kProductRows = kSums >= 16 ? 8 : kSums / 2;

// target pixel (=|+=) sum over taps of source pixel [depth] times matrix [depth, width], for one group of channels.
struct RowProduct {
  const float* source;  // at the group's first channel
  int64_t source_channels;
  float* target;  // at the group's first channel
  int64_t target_channels;
  int64_t target_height, target_width;
  int64_t batch;
  const float* matrix;  // of kernel tap 0
  int64_t matrix_tap_stride;
  int64_t matrix_row_stride;
  int64_t depth;
  int64_t width;
  int kernel_columns;
  GradientMode mode;
};

void row_product(Stream& stream, const WindowMap& map, const RowProduct& product);

// target [rows, width] (=|+=) source [rows, depth] times matrix [depth, width], all contiguous; on the calling thread.
void multiply_rows(const float* source, int64_t rows, int64_t depth, const float* matrix, int64_t width, float* target,
                   GradientMode mode = GradientMode::kOverwrite, Traffic* traffic = nullptr);

// Image rows [rows, columns, depth] times matrix [depth, channels], to the tile from image row `row` on. What lies in
// the last plane's lanes beyond the channels is left as it is.
void multiply_into_tile(const float* source, int64_t rows, int64_t columns, int64_t depth, const float* matrix,
                        const Tile& tile, int64_t row, Traffic* traffic = nullptr);

// Pixels whose weight gradients are summed before they join the others': few enough pieces that their partial sums stay
// small, enough for any number of cores.
int64_t correlation_grain(int64_t pixels);
// Pieces of that many pixels or fewer at most: a sequence may be shorter than what memory was planned for.
int64_t most_pieces(int64_t pixels);

// target [depth, width] (=|+=) transposed source [rows, depth] times gradient [rows, width]; on the calling thread.
void correlate_rows(const float* source, int64_t rows, int64_t depth, const float* gradient, int64_t width,
                    float* target, GradientMode mode);

// [taps, inputs, outputs] to [taps, outputs, inputs]
void transpose(const float* weight, int64_t taps, int64_t inputs, int64_t outputs, float* transposed);

// gradient[tap][c][o] = sum over pixels of input[pixel at tap][c] * output_gradient[pixel][o], for one group of
// channels.
struct RowCorrelation {
  const float* source;  // at the group's first channel
  int64_t source_channels;
  const float* output_gradient;  // at the group's first channel
  int64_t output_channels;
  int64_t batch;
  float* gradient;  // at the group's first column
  int64_t gradient_row_stride;
  int64_t depth;
  int64_t width;
  int kernel_columns;
  int64_t taps;
};

void row_correlation(Stream& stream, const WindowMap& map, const RowCorrelation& correlation, float* partials);
int64_t correlation_partials(const WindowMap& map, int64_t batch, int64_t taps, int64_t depth, int64_t width);

}  // namespace dartsmith::cpu::DARTSMITH_ISA
