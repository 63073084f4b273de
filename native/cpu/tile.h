// Part of one image copied with its halo, so that inner loops need no bounds checks.
#pragma once
#include <cstring>

#include "cpu/window.h"

namespace dartsmith::cpu::DARTSMITH_ISA {

// A rectangle of source positions; it may reach outside the image.
struct Frame {
  int64_t top = 0;
  int64_t left = 0;
  int64_t height = 0;
  int64_t width = 0;

  int64_t pixels() const { return height * width; }
};

// The smallest frame that holds both.
inline Frame unite(const Frame& a, const Frame& b) {
  if (a.pixels() == 0) return b;
  if (b.pixels() == 0) return a;
  const int64_t top = min(a.top, b.top), left = min(a.left, b.left);
  return {top, left, max(a.top + a.height, b.top + b.height) - top, max(a.left + a.width, b.left + b.width) - left};
}

// What the map's target rows [row_begin, row_end) read.
inline Frame frame_of(const WindowMap& map, int64_t row_begin, int64_t row_end) {
  if (row_end <= row_begin || map.columns.count == 0) return {};
  return {row_begin * map.rows.source_step + map.rows.lowest(), map.columns.lowest(),
          map.rows.highest(row_end - row_begin) - map.rows.lowest(),
          map.columns.highest(map.columns.count) - map.columns.lowest()};
}
inline Frame frame_of(const WindowMap& map) {
  return frame_of(map, 0, map.rows.count);
}

// A frame whose rows are not a whole number of pages apart: such rows compete for the same lines of the first-level cache.
inline Frame spread(Frame frame, int64_t channels) {
  constexpr int64_t kPageElements = 1024;
  if (frame.width * channels % kPageElements == 0) ++frame.width;
  return frame;
}

// A frame's pixels: [frame.height, frame.width, channels]
struct Tile {
  float* data;
  Frame frame;
  int64_t channels;

  int64_t row_elements() const { return frame.width * channels; }
  // Where the tap reads for target row `row` and target column 0.
  int64_t offset(const WindowMap& map, int64_t row, const AxisTap& row_tap, const AxisTap& column_tap) const {
    const int64_t y = row * map.rows.source_step + row_tap.offset - frame.top;
    return y * row_elements() + (column_tap.offset - frame.left) * channels;
  }
  float* pixel(int64_t y, int64_t x) const {
    return data + (y - frame.top) * row_elements() + (x - frame.left) * channels;
  }
};

// Sets what lies outside the image [height, width].
inline void fill_outside(const Tile& tile, int64_t height, int64_t width, float outside) {
  const Frame& frame = tile.frame;
  const int64_t left = min(frame.width, max(0, -frame.left));
  const int64_t inside = max(0, min(width, frame.left + frame.width) - max(0, frame.left));
  for (int64_t r = 0; r < frame.height; ++r) {
    float* row = tile.data + r * tile.row_elements();
    const bool real = frame.top + r >= 0 && frame.top + r < height;
    const int64_t kept = real ? inside : 0, before = real ? left : 0;
    fill(row, before * tile.channels, outside);
    fill(row + (before + kept) * tile.channels, (frame.width - before - kept) * tile.channels, outside);
  }
}

// Fills a tile from an image [height, width, channels] with copy(to, from, pixels); outside the image lies `outside`.
template <typename Element, typename Copy>
void load_tile(const Tile& tile, const Element* image, int64_t height, int64_t width, float outside, const Copy& copy) {
  fill_outside(tile, height, width, outside);
  const Frame& frame = tile.frame;
  const int64_t first = max(0, frame.left), inside = min(width, frame.left + frame.width) - first;
  if (inside <= 0) return;
  for (int64_t y = max(0, frame.top); y < min(height, frame.top + frame.height); ++y) {
    copy(tile.pixel(y, first), image + (y * width + first) * tile.channels, inside);
  }
}

inline void load_tile(const Tile& tile, const float* image, int64_t height, int64_t width, float outside) {
  load_tile(tile, image, height, width, outside, [&](float* to, const float* from, int64_t pixels) {
    std::memcpy(to, from, static_cast<size_t>(pixels * tile.channels) * sizeof(float));
  });
}

// An image's target rows cut into strips whose tiles stay within the second-level cache; the inner loops' moving window
// then stays within the first.
struct Strips {
  int64_t rows;   // target rows a strip
  int64_t count;  // strips an image
  int64_t elements;  // of the largest tile

  Strips(const WindowMap& map, int64_t channels) {
    constexpr int64_t kTileElements = 48 * 1024;
    const int64_t width = frame_of(map).width, halo = map.rows.highest(1) - map.rows.lowest();
    const int64_t affordable = width == 0 ? 1 : kTileElements / (width * channels);
    rows = min(map.rows.count, max(1, (affordable - halo) / map.rows.source_step + 1));
    count = rows == 0 ? 0 : divide_up(map.rows.count, rows);
    elements = frame_of(map, 0, rows).pixels() * channels;
  }
  int64_t begin(int64_t strip) const { return strip * rows; }
  int64_t end(const WindowMap& map, int64_t strip) const { return min(map.rows.count, (strip + 1) * rows); }
};

}  // namespace dartsmith::cpu::DARTSMITH_ISA
