// Part of one image copied with its halo, so that inner loops need no bounds checks.
#pragma once
#include "cpu/traffic.h"
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

// A frame's pixels, a plane for each vector of channels, so that what a kernel reads of one lies close together:
// [ceil(channels / kLanes), frame.height, frame.width, kLanes]
struct Tile {
  float* data;
  Frame frame;
  int64_t channels;

  static int64_t elements(const Frame& frame, int64_t channels) {
    return divide_up(channels, kLanes) * frame.pixels() * kLanes;
  }
  int64_t plane_elements() const { return frame.pixels() * kLanes; }
  int64_t row_elements() const { return frame.width * kLanes; }
  // Where the tap reads for target row `row` and target column 0, from the start of a plane.
  int64_t offset(const WindowMap& map, int64_t row, const AxisTap& row_tap, const AxisTap& column_tap) const {
    const int64_t y = row * map.rows.source_step + row_tap.offset - frame.top;
    return y * row_elements() + (column_tap.offset - frame.left) * kLanes;
  }
  // Of a vector of channels; of the first for `channel` 0.
  float* plane(int64_t channel) const { return data + channel / kLanes * plane_elements(); }
  float* pixel(int64_t channel, int64_t y, int64_t x) const {
    return plane(channel) + (y - frame.top) * row_elements() + (x - frame.left) * kLanes;
  }
};

// Sets what lies outside the image [height, width].
inline void fill_outside(const Tile& tile, int64_t height, int64_t width, float outside) {
  const Frame& frame = tile.frame;
  const int64_t left = min(frame.width, max(0, -frame.left));
  const int64_t inside = max(0, min(width, frame.left + frame.width) - max(0, frame.left));
  for (int64_t channel = 0; channel < tile.channels; channel += kLanes) {
    for (int64_t r = 0; r < frame.height; ++r) {
      float* row = tile.plane(channel) + r * tile.row_elements();
      const bool real = frame.top + r >= 0 && frame.top + r < height;
      const int64_t kept = real ? inside : 0, before = real ? left : 0;
      fill(row, before * kLanes, outside);
      fill(row + (before + kept) * kLanes, (frame.width - before - kept) * kLanes, outside);
    }
  }
}

// Fills a tile from an image [height, width, channels]; outside the image lies `outside`. transform(channel, lanes)
// gives the function that is applied to each vector of those channels.
template <typename Element, typename Transform>
void load_tile(const Tile& tile, const Element* image, int64_t height, int64_t width, float outside,
               const Transform& transform) {
  fill_outside(tile, height, width, outside);
  const Frame& frame = tile.frame;
  const int64_t first = max(0, frame.left), inside = min(width, frame.left + frame.width) - first;
  const int64_t end = min(height, frame.top + frame.height), row = width * tile.channels;
  for (int64_t y = max(0, frame.top); y < end; ++y) {
    if (y + 1 < end) fetch_ahead(image + (y + 1) * row, row);
    for (int64_t c = 0; c < tile.channels; c += kLanes) {
      const Lanes lanes(tile.channels - c);
      const auto change = transform(c, lanes);
      const Element* from = image + (y * width + first) * tile.channels + c;
      float* to = tile.pixel(c, y, first);
      for (int64_t p = 0; p < inside; ++p) store(to + p * kLanes, change(load_first(from + p * tile.channels, lanes)));
    }
  }
}

inline void load_tile(const Tile& tile, const float* image, int64_t height, int64_t width, float outside) {
  load_tile(tile, image, height, width, outside, [](int64_t, Lanes) { return [](Vec value) { return value; }; });
}

// An image's target rows cut into strips whose tiles stay within the second-level cache; the inner loops' moving window
// then stays within the first.
struct Strips {
  int64_t rows;      // target rows a strip
  int64_t count;     // strips an image
  int64_t elements;  // of the largest tile

  Strips(const WindowMap& map, int64_t channels) {
    constexpr int64_t kTileElements = 48 * 1024;
    const int64_t width = frame_of(map).width, halo = map.rows.highest(1) - map.rows.lowest();
    // As many on every processor: weight gradients are summed strip by strip.
    constexpr int64_t kWidestVector = 16;
    const int64_t row = width * divide_up(channels, kWidestVector) * kWidestVector;
    const int64_t affordable = width == 0 ? 1 : kTileElements / row;
    rows = min(map.rows.count, max(1, (affordable - halo) / map.rows.source_step + 1));
    count = rows == 0 ? 0 : divide_up(map.rows.count, rows);
    elements = Tile::elements(frame_of(map, 0, rows), channels);
  }
  int64_t begin(int64_t strip) const { return strip * rows; }
  int64_t end(const WindowMap& map, int64_t strip) const { return min(map.rows.count, (strip + 1) * rows); }
};

}  // namespace dartsmith::cpu::DARTSMITH_ISA
