// Depthwise convolution of a tile that lies in shared memory with its halo, or of an image in device memory where the
// halo is too large for that.
#pragma once
#include "cuda/task.h"
#include "engine/graph.h"

namespace dartsmith::cuda {

// Channels of a tile in shared memory.
inline constexpr int kTileChannels = 32;
// Pixels side by side that a thread computes: a loaded pixel serves all that it touches.
inline constexpr int kQuad = 4;
// Of a tile with its halo, at most; leaves room for the products in the shared memory of every GPU since Volta.
inline constexpr int64_t kFrameBytes = 52 << 10;
// Depthwise weights in shared memory; a larger window reads them from device memory.
inline constexpr int kTapsKept = 49;

struct DepthwiseWindow {
  int kernel[2], stride[2], padding[2], dilation[2];

  DepthwiseWindow() = default;
  explicit DepthwiseWindow(const Window& w)
      : kernel{w.kernel[0], w.kernel[1]},
        stride{w.stride[0], w.stride[1]},
        padding{w.padding[0], w.padding[1]},
        dilation{w.dilation[0], w.dilation[1]} {}
  __host__ __device__ int taps() const { return kernel[0] * kernel[1]; }
  __host__ __device__ int reach(int axis) const { return dilation[axis] * (kernel[axis] - 1); }
  // Of the data gradient at stride 1: the same walk with the kernel turned round.
  DepthwiseWindow turned() const {
    DepthwiseWindow result = *this;
    for (int axis = 0; axis < 2; ++axis) result.padding[axis] = reach(axis) - padding[axis];
    return result;
  }
};

// How images of one size are cut into tiles of output pixels. Follows from sizes and strides alone.
struct Tiling {
  int height, width;  // of an image of outputs
  int tile_height, tile_width;
  int down, across;  // tiles of an image

  Tiling() = default;
  Tiling(int64_t height, int64_t width, int pixels) : height(static_cast<int>(height)), width(static_cast<int>(width)) {
    const auto power = [](int64_t size, int least, int most) {
      int result = least;
      while (result < size && result < most) result *= 2;
      return result;
    };
    tile_width = power(width, kQuad, pixels >= 64 ? (pixels >= 128 ? 16 : 8) : 4);
    tile_height = power(height, 16 / tile_width > 1 ? 16 / tile_width : 1, pixels / tile_width);
    down = static_cast<int>(divide_up(height, tile_height));
    across = static_cast<int>(divide_up(width, tile_width));
  }
  __host__ __device__ int tiles() const { return down * across; }
  __host__ __device__ int pixels() const { return tile_height * tile_width; }
  __host__ __device__ int quads() const { return pixels() / kQuad; }
  __host__ __device__ int top(int tile) const { return tile / across * tile_height; }
  __host__ __device__ int left(int tile) const { return tile % across * tile_width; }
  // Of a tile, within the image.
  __host__ __device__ int rows(int tile) const { return static_cast<int>(smaller(tile_height, height - top(tile))); }
  __host__ __device__ int columns(int tile) const { return static_cast<int>(smaller(tile_width, width - left(tile))); }
  __host__ __device__ int count(int tile) const { return rows(tile) * columns(tile); }
  // Calls for each pixel within the image: body(pixel of the tile, pixel of the image).
  __device__ __forceinline__ int within_tile(int tile, int index) const {
    return index / columns(tile) * tile_width + index % columns(tile);
  }
  __device__ __forceinline__ int64_t within_image(int tile, int index) const {
    return int64_t{top(tile) + index / columns(tile)} * width + left(tile) + index % columns(tile);
  }
};

// Output pixels of a tile at a stride: a larger stride needs a larger piece of the input.
inline int tile_pixels(const int stride[2], int most) {
  if (stride[0] > 2 || stride[1] > 2) return 16;
  return most / (stride[0] * stride[1]);
}

// What some windows read for one tile: of input rows and columns [low, low + size) from the tile's first times the
// stride.
struct Frame {
  int low[2];
  int size[2];
  int stride[2];

  Frame() = default;
  Frame(const Tiling& tiling, const DepthwiseWindow* const* windows, int count) {
    const int tile[2] = {tiling.tile_height, tiling.tile_width};
    for (int axis = 0; axis < 2; ++axis) {
      int lowest = 0, highest = 0;
      for (int m = 0; m < count; ++m) {
        const DepthwiseWindow& w = *windows[m];
        const int first = -w.padding[axis], last = w.reach(axis) - w.padding[axis];
        lowest = m == 0 || first < lowest ? first : lowest;
        highest = m == 0 || last > highest ? last : highest;
      }
      stride[axis] = windows[0]->stride[axis];
      low[axis] = lowest;
      const int64_t extent = int64_t{tile[axis] - 1} * stride[axis] + highest - lowest + 1;
      size[axis] = static_cast<int>(smaller(extent, 1 << 20));
    }
  }
  __host__ __device__ int64_t elements() const { return int64_t{size[0]} * size[1] * kTileChannels; }
  __host__ __device__ bool fits() const { return elements() * static_cast<int64_t>(sizeof(float)) <= kFrameBytes; }
};

// Fills a frame: channels [first, first + kTileChannels) of one image through map(value, channel), 0 around it.
template <typename Map>
__device__ void load_frame(const Frame& frame, const Tiling& tiling, int tile, const View& x, int64_t image, int height,
                           int width, int first, float4* target, const Map& map) {
  constexpr int kVectors = kTileChannels / 4;
  const int top = tiling.top(tile) * frame.stride[0] + frame.low[0];
  const int left = tiling.left(tile) * frame.stride[1] + frame.low[1];
  for_block(frame.size[0] * frame.size[1] * kVectors, [&](int item) {
    const int pixel = item / kVectors, channel = first + item % kVectors * 4;
    const int row = top + pixel / frame.size[1], column = left + pixel % frame.size[1];
    const bool inside = row >= 0 && row < height && column >= 0 && column < width && channel < x.channels;
    target[item] =
        inside ? map(x.load(image * height * width + int64_t{row} * width + column, channel), channel) : splat(0);
  });
}

// Depthwise weights [taps, kTileChannels] of a chunk of channels.
__device__ inline void load_taps(const DepthwiseWindow& window, const float* weights, int channels, int first,
                                 bool turned, float4* target) {
  constexpr int kVectors = kTileChannels / 4;
  const int taps = window.taps();
  if (taps > kTapsKept) return;
  for_block(taps * kVectors, [&](int item) {
    const int tap = item / kVectors, from = turned ? taps - 1 - tap : tap;
    target[item] = channel_values(weights + int64_t{from} * channels, first + item % kVectors * 4, channels);
  });
}

// Where a quad's sums come from.
struct DepthwiseSource {
  const float4* frame;   // null: `image`
  const float4* taps;    // shared
  const float* weights;  // device memory, [taps, channels]
  int channels;
  bool turned;
  int first;  // channel of the chunk
};

// Walks that know their kernel: square, stride 1.
template <int kKernel, int kDilation>
__device__ void walk_square(const Frame& frame, const DepthwiseWindow& w, const DepthwiseSource& source, int row,
                            int column, int vector, float4 (&sums)[kQuad]) {
  constexpr int kVectors = kTileChannels / 4;
  constexpr int kSpan = kQuad + (kKernel - 1) * kDilation;
  const int top = row - w.padding[0] - frame.low[0], left = column - w.padding[1] - frame.low[1];
  const float4* line = source.frame + (top * frame.size[1] + left) * kVectors + vector;
  const float4* weights = source.taps + vector;
  // Not unrolled: that would keep so many loads in flight that registers run out.
#pragma unroll 1
  for (int ky = 0; ky < kKernel; ++ky) {
    float4 weight[kKernel];
#pragma unroll
    for (int kx = 0; kx < kKernel; ++kx) weight[kx] = weights[kx * kVectors];
#pragma unroll
    for (int i = 0; i < kSpan; ++i) {
      const float4 value = line[i * kVectors];
#pragma unroll
      for (int kx = 0; kx < kKernel; ++kx) {
        const int target = i - kx * kDilation;
        if (target >= 0 && target < kQuad) sums[target] = fused(weight[kx], value, sums[target]);
      }
    }
    line += kDilation * frame.size[1] * kVectors;
    weights += kKernel * kVectors;
  }
}

// Any window; read(row, column) gives an input pixel relative to the tile's first times the stride, halo included.
template <typename Read>
__device__ void walk_any(const DepthwiseWindow& w, const DepthwiseSource& source, int row, int column, int vector,
                         const Read& read, float4 (&sums)[kQuad]) {
  constexpr int kVectors = kTileChannels / 4;
  const int taps = w.taps();
  for (int tap = 0; tap < taps; ++tap) {
    const int ky = tap / w.kernel[1], kx = tap % w.kernel[1], from = source.turned ? taps - 1 - tap : tap;
    const float4 weight = taps <= kTapsKept ? source.taps[tap * kVectors + vector]
                                            : channel_values(source.weights + int64_t{from} * source.channels,
                                                             source.first + vector * 4, source.channels);
    for (int i = 0; i < kQuad; ++i) {
      sums[i] = fused(weight,
                      read(row * w.stride[0] + ky * w.dilation[0] - w.padding[0],
                           (column + i) * w.stride[1] + kx * w.dilation[1] - w.padding[1]),
                      sums[i]);
    }
  }
}

// Adds to the sums of four outputs of a tile, from (row, column) on.
__device__ inline void walk_frame(const Frame& frame, const DepthwiseWindow& w, const DepthwiseSource& source, int row,
                                  int column, int vector, float4 (&sums)[kQuad]) {
  constexpr int kVectors = kTileChannels / 4;
  const bool square =
      w.kernel[0] == w.kernel[1] && w.dilation[0] == w.dilation[1] && w.stride[0] == 1 && w.stride[1] == 1;
  const int kernel = square ? w.kernel[0] : 0, dilation = w.dilation[0];
  if (kernel == 3 && dilation == 1) return walk_square<3, 1>(frame, w, source, row, column, vector, sums);
  if (kernel == 5 && dilation == 1) return walk_square<5, 1>(frame, w, source, row, column, vector, sums);
  if (kernel == 3 && dilation == 2) return walk_square<3, 2>(frame, w, source, row, column, vector, sums);
  if (kernel == 5 && dilation == 2) return walk_square<5, 2>(frame, w, source, row, column, vector, sums);
  walk_any(
      w, source, row, column, vector,
      [&](int y, int x) {
        return source.frame[((y - frame.low[0]) * frame.size[1] + x - frame.low[1]) * kVectors + vector];
      },
      sums);
}

}  // namespace dartsmith::cuda
