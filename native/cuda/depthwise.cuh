// Depthwise convolution of a tile that lies in shared memory with its halo, or of an image in device memory where the
// halo is too large for that.
#pragma once
#include <type_traits>

#include "cuda/task.cuh"
#include "engine/attributes.h"

namespace dartsmith::cuda {

// Channels of a tile in shared memory, at least and at most.
inline constexpr int kLeastTileChannels = 16;
inline constexpr int kTileChannels = 32;
// Pixels side by side that a thread computes: a loaded pixel serves all that it touches.
inline constexpr int kQuad = 4;
// Of a tile with its halo, at most; leaves room for the products in the shared memory of every GPU since Volta.
inline constexpr int64_t kFrameBytes = 52 << 10;
// Depthwise weights in shared memory; a larger window reads them from device memory.
inline constexpr int kTapsKept = 49;

// Of the windows that with_square() knows.
inline constexpr int kMostKernel = 5;

// Channels that a tile of a tensor holds at once.
__host__ __device__ constexpr int tile_channels(int64_t channels) {
  return channels <= kLeastTileChannels ? kLeastTileChannels : kTileChannels;
}

struct DepthwiseWindow {
  int kernel[2], stride[2], padding[2], dilation[2];

  DepthwiseWindow() = default;
  explicit DepthwiseWindow(const Window& w)
      : kernel{w.kernel[0], w.kernel[1]},
        stride{w.stride[0], w.stride[1]},
        padding{w.padding[0], w.padding[1]},
        dilation{w.dilation[0], w.dilation[1]} {}
  __host__ __device__ int taps() const { return kernel[0] * kernel[1]; }
  // size / stride where that is a whole number, else -1. Strides are 1 or 2 but for rare ones.
  __device__ __forceinline__ int unstrided(int size, int axis) const {
    if (stride[axis] <= 2) return (size & (stride[axis] - 1)) == 0 ? size >> (stride[axis] - 1) : -1;
    return size % stride[axis] == 0 ? size / stride[axis] : -1;
  }
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
  int width_bits;    // the width is a power of two
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
    for (width_bits = 0; 1 << width_bits < tile_width; ++width_bits) {
    }
    down = static_cast<int>(divide_up(height, tile_height));
    across = static_cast<int>(divide_up(width, tile_width));
  }
  __host__ __device__ int tiles() const { return down * across; }
  __host__ __device__ int pixels() const { return tile_height * tile_width; }
  __host__ __device__ int quads() const { return pixels() / kQuad; }
  __host__ __device__ int top(int tile) const { return tile / across * tile_height; }
  __host__ __device__ int left(int tile) const { return tile % across * tile_width; }
  // Where a tile's pixel lies in it.
  __device__ __forceinline__ int row(int pixel) const { return pixel >> width_bits; }
  __device__ __forceinline__ int column(int pixel) const { return pixel & (tile_width - 1); }
  // Of a tile, within the image.
  __host__ __device__ int count(int tile) const {
    return static_cast<int>(smaller(tile_height, height - top(tile)) * smaller(tile_width, width - left(tile)));
  }
};

// A tile's place in an image: which of its pixels there are, and where.
struct Place {
  int top, left;
  int rows, columns;  // within the image
  Index first;        // pixel of the tensor
  int pitch;

  __device__ Place(const Tiling& t, Index image, int tile)
      : top(t.top(tile)),
        left(t.left(tile)),
        rows(t.height - top),
        columns(t.width - left),
        first((image * static_cast<Index>(t.height) + static_cast<Index>(top)) * static_cast<Index>(t.width) +
              static_cast<Index>(left)),
        pitch(t.width) {}
  __device__ __forceinline__ bool has(int row, int column) const { return row < rows && column < columns; }
  __device__ __forceinline__ Index pixel(int row, int column) const {
    return first + static_cast<Index>(row * pitch + column);
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
  int vectors;  // of channels
  int pitch;    // vectors from one pixel to the next; odd where quads side by side would meet in one bank
  // 2^20 / width, rounded up: divides the numbers of a frame's pixels, which are few.
  uint32_t reciprocal;

  Frame() = default;
  Frame(const Tiling& tiling, const DepthwiseWindow* const* windows, int count, int channels)
      : vectors(channels / 4), pitch(vectors == 4 ? 5 : vectors) {
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
    reciprocal = static_cast<uint32_t>(divide_up(1 << 20, size[1]));
  }
  __host__ __device__ int64_t elements() const { return int64_t{size[0]} * size[1] * pitch * 4; }
  __host__ __device__ bool fits() const { return elements() * static_cast<int64_t>(sizeof(float)) <= kFrameBytes; }
};

// Fills a frame: channels [first, first + 4 * vectors) of one image, each thread's through its map(value), 0 around it.
template <Layout layout, typename Map>
__device__ void load_frame(const Frame& frame, const Tiling& tiling, int tile, const View& x, Index image, int height,
                           int width, int first, float4* target, const Map& map_of) {
  const Spread spread(frame.vectors * 4);
  const int channel = first + spread.vector * 4, pixels = frame.size[0] * frame.size[1];
  const int top = tiling.top(tile) * frame.stride[0] + frame.low[0];
  const int left = tiling.left(tile) * frame.stride[1] + frame.low[1];
  const bool exists = channel < x.channels;
  const auto map = map_of(channel);
  const Index first_pixel = image * static_cast<Index>(height * width);
#pragma unroll 4
  for (int pixel = spread.row; pixel < pixels; pixel += spread.rows) {
    const int down = static_cast<int>(static_cast<uint32_t>(pixel) * frame.reciprocal >> 20);
    const int row = top + down, column = left + pixel - down * frame.size[1];
    const bool inside = exists && row >= 0 && row < height && column >= 0 && column < width;
    target[pixel * frame.pitch + spread.vector] =
        inside ? map(x.load<layout>(first_pixel + static_cast<Index>(row * width + column), channel)) : splat(0);
  }
}

// Depthwise weights [taps, vectors] of a chunk of channels.
__device__ inline void load_taps(const DepthwiseWindow& window, const float* weights, int channels, int first,
                                 int vectors, bool turned, float4* target) {
  const Spread spread(vectors * 4);
  const int taps = window.taps();
  if (taps > kTapsKept) return;
  for (int tap = spread.row; tap < taps; tap += spread.rows) {
    const int from = turned ? taps - 1 - tap : tap;
    target[tap * vectors + spread.vector] =
        channel_values(weights + int64_t{from} * channels, first + spread.vector * 4, channels);
  }
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

// Walks that know their kernel: square, its strides and dilations the same in both directions.
template <int kKernel, int kDilation, int kStride>
__device__ void walk_square(const Frame& frame, const DepthwiseWindow& w, const DepthwiseSource& source, int row,
                            int column, int vector, float4 (&sums)[kQuad]) {
  constexpr int kSpan = (kQuad - 1) * kStride + (kKernel - 1) * kDilation + 1;
  const int top = row * kStride - w.padding[0] - frame.low[0], left = column * kStride - w.padding[1] - frame.low[1];
  const float4* line = source.frame + (top * frame.size[1] + left) * frame.pitch + vector;
  const float4* weights = source.taps + vector;
  assume_shared(line);
  assume_shared(weights);
  // Not unrolled: that would keep so many loads in flight that registers run out.
#pragma unroll 1
  for (int ky = 0; ky < kKernel; ++ky) {
    float4 weight[kKernel];
#pragma unroll
    for (int kx = 0; kx < kKernel; ++kx) weight[kx] = weights[kx * frame.vectors];
#pragma unroll
    for (int i = 0; i < kSpan; ++i) {
      const float4 value = line[i * frame.pitch];
#pragma unroll
      for (int kx = 0; kx < kKernel; ++kx) {
        const int target = i - kx * kDilation;
        if (target >= 0 && target % kStride == 0 && target / kStride < kQuad) {
          sums[target / kStride] = fused(weight[kx], value, sums[target / kStride]);
        }
      }
    }
    line += kDilation * frame.size[1] * frame.pitch;
    weights += kKernel * frame.vectors;
  }
}

// Any window; read(row, column) gives an input pixel relative to the tile's first times the stride, halo included.
template <typename Read>
__device__ void walk_any(const DepthwiseWindow& w, const DepthwiseSource& source, int vectors, int row, int column,
                         int vector, const Read& read, float4 (&sums)[kQuad]) {
  const int taps = w.taps();
  for (int tap = 0; tap < taps; ++tap) {
    const int ky = tap / w.kernel[1], kx = tap % w.kernel[1], from = source.turned ? taps - 1 - tap : tap;
    const float4 weight = taps <= kTapsKept ? source.taps[tap * vectors + vector]
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

// Calls body(kernel, dilation, stride), constants, for the windows of the published operations of no larger stride;
// false for any other.
template <int kMostStride = 2, typename Body>
__device__ __forceinline__ bool with_square(const DepthwiseWindow& w, const Body& body) {
  if (w.kernel[0] != w.kernel[1] || w.dilation[0] != w.dilation[1] || w.stride[0] != w.stride[1]) return false;
  using std::integral_constant;
  const auto with_stride = [&](auto kernel, auto dilation) {
    if (w.stride[0] == 1) return body(kernel, dilation, integral_constant<int, 1>{}), true;
    if constexpr (kMostStride >= 2) {
      if (w.stride[0] == 2) return body(kernel, dilation, integral_constant<int, 2>{}), true;
    }
    return false;
  };
  const auto with_dilation = [&](auto kernel) {
    if (w.dilation[0] == 1) return with_stride(kernel, integral_constant<int, 1>{});
    if (w.dilation[0] == 2) return with_stride(kernel, integral_constant<int, 2>{});
    return false;
  };
  if (w.kernel[0] == 3) return with_dilation(integral_constant<int, 3>{});
  if (w.kernel[0] == 5) return with_dilation(integral_constant<int, 5>{});
  return false;
}

// Adds to the sums of four outputs of a tile, from (row, column) on.
template <int kMostStride = 2>
__device__ __forceinline__ void walk_frame(const Frame& frame, const DepthwiseWindow& w, const DepthwiseSource& source,
                                           int row, int column, int vector, float4 (&sums)[kQuad]) {
  const bool walked = with_square<kMostStride>(w, [&](auto kernel, auto dilation, auto stride) {
    walk_square<kernel.value, dilation.value, stride.value>(frame, w, source, row, column, vector, sums);
  });
  if (walked) return;
  walk_any(
      w, source, frame.vectors, row, column, vector,
      [&](int y, int x) {
        return source.frame[((y - frame.low[0]) * frame.size[1] + x - frame.low[1]) * frame.pitch + vector];
      },
      sums);
}

// What a tile adds to the gradients of one row of a square kernel's weights, for every `slices`-th row of its pixels:
// `gradient` [pixels, pitch] of the outputs, 0 outside the image. From one output to the next the inputs move on by one
// tap or by two, so that most of them stay in registers; where taps lie apart, every second output comes first.
template <int kKernel, int kDilation, int kStride>
__device__ void correlate_square(const Frame& frame, const DepthwiseWindow& w, const Tiling& t, const float4* inputs,
                                 const float* gradient, int gradient_pitch, int vector, int ky, int slice, int slices,
                                 float4 (&sums)[kMostKernel]) {
  constexpr int kStep = kDilation > kStride ? kDilation / kStride : 1;
  constexpr int kAdvance = kStride > kDilation ? kStride / kDilation : 1;
  const int tap = kDilation * frame.pitch;
  for (int row = slice; row < t.tile_height; row += slices) {
    const int y = row * kStride + ky * kDilation - w.padding[0] - frame.low[0];
#pragma unroll
    for (int phase = 0; phase < kStep; ++phase) {
      const float4* x =
          inputs + (y * frame.size[1] + phase * kStride - w.padding[1] - frame.low[1]) * frame.pitch + vector;
      const float* g = gradient + (row * t.tile_width + phase) * gradient_pitch + vector * 4;
      float4 window[kKernel];
#pragma unroll
      for (int kx = 0; kx < kKernel - kAdvance; ++kx) window[kx] = x[kx * tap];
#pragma unroll 4
      for (int column = phase; column < t.tile_width; column += kStep) {
#pragma unroll
        for (int kx = kKernel - kAdvance; kx < kKernel; ++kx) window[kx] = x[kx * tap];
        const float4 value = *reinterpret_cast<const float4*>(g);
#pragma unroll
        for (int kx = 0; kx < kKernel; ++kx) sums[kx] = fused(value, window[kx], sums[kx]);
#pragma unroll
        for (int kx = 0; kx < kKernel - kAdvance; ++kx) window[kx] = window[kx + kAdvance];
        x += kAdvance * tap;
        g += kStep * gradient_pitch;
      }
    }
  }
}

}  // namespace dartsmith::cuda
