// A piece of one image copied with its halo, so that inner loops need no bounds checks.
#pragma once
#include <cstring>

#include "cpu/window.h"

namespace dartsmith::cpu::DARTSMITH_ISA {

// Target rows [row_begin, row_end) of one image and the source pixels that they read.
struct TilePlan {
  int64_t strip_rows;  // target rows a tile
  int64_t strips;      // tiles an image
  int64_t width;       // tile pixels a row
  int64_t max_rows;    // tile rows at most
  int64_t channels;

  int64_t elements() const { return max_rows * width * channels; }
};

// Tiles stay within the second-level cache; the inner loops' moving window then stays within the first.
inline TilePlan plan_tiles(const WindowMap& map, int64_t channels) {
  constexpr int64_t kTileElements = 48 * 1024;
  TilePlan plan;
  plan.channels = channels;
  plan.width = map.columns.highest(map.columns.count) - map.columns.lowest();
  const int64_t halo = map.rows.highest(1) - map.rows.lowest();
  const int64_t affordable = kTileElements / (plan.width * channels);
  plan.strip_rows = min(map.rows.count, max(1, (affordable - halo) / map.rows.source_step + 1));
  plan.strips = divide_up(map.rows.count, plan.strip_rows);
  plan.max_rows = (plan.strip_rows - 1) * map.rows.source_step + halo;
  return plan;
}

struct Tile {
  float* data;  // [rows, width, channels]
  int64_t width;
  int64_t channels;
  int64_t row_begin;  // target rows
  int64_t row_end;

  // Where the tap reads for target row `row` and target column 0.
  int64_t offset(const WindowMap& map, int64_t row, const AxisTap& row_tap, const AxisTap& column_tap) const {
    const int64_t tile_row = (row - row_begin) * map.rows.source_step + row_tap.offset - map.rows.lowest();
    return (tile_row * width + column_tap.offset - map.columns.lowest()) * channels;
  }
};

// Copies what strip `strip` of image `image` needs with copy(to, from, pixels); outside the source lies `outside`.
template <typename Copy>
Tile load_tile(const TilePlan& plan, const WindowMap& map, const float* source, int64_t image, int64_t strip,
               float* scratch, float outside, const Copy& copy) {
  Tile tile{scratch, plan.width, plan.channels, strip * plan.strip_rows,
            min(map.rows.count, (strip + 1) * plan.strip_rows)};
  const int64_t first_row = tile.row_begin * map.rows.source_step + map.rows.lowest();
  const int64_t rows = map.rows.highest(tile.row_end - tile.row_begin) - map.rows.lowest();
  const int64_t first_column = map.columns.lowest();
  const int64_t height = map.rows.source_size, width = map.columns.source_size, channels = plan.channels;
  const int64_t left = min(plan.width, max(0, -first_column));
  const int64_t inside = max(0, min(width, first_column + plan.width) - max(0, first_column));
  for (int64_t r = 0; r < rows; ++r) {
    float* row = scratch + r * plan.width * channels;
    const int64_t y = first_row + r;
    if (y < 0 || y >= height) {
      fill(row, plan.width * channels, outside);
      continue;
    }
    fill(row, left * channels, outside);
    const float* from = source + ((image * height + y) * width + max(0, first_column)) * channels;
    copy(row + left * channels, from, inside);
    fill(row + (left + inside) * channels, (plan.width - left - inside) * channels, outside);
  }
  return tile;
}

inline Tile load_tile(const TilePlan& plan, const WindowMap& map, const float* source, int64_t image, int64_t strip,
                      float* scratch, float outside) {
  return load_tile(plan, map, source, image, strip, scratch, outside,
                   [&](float* to, const float* from, int64_t pixels) {
                     std::memcpy(to, from, static_cast<size_t>(pixels * plan.channels) * sizeof(float));
                   });
}

}  // namespace dartsmith::cpu::DARTSMITH_ISA
