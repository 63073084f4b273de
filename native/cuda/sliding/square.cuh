// Where warps work on squares of pixels: a unit is four rows of a group of columns, a lane has four by four pixels of
// two channels. Windows of 3 x 3 around them are read as six by six pixels (of stride 2: nine by nine), pooled along
// rows first, then along columns as the rows go by.
#pragma once
#include "cuda/pool_window.cuh"
#include "cuda/sliding/lanes.cuh"

namespace dartsmith::cuda::sliding {

inline constexpr int kSquareRows = 4;
inline constexpr int kPooledSpan = 6;  // rows and columns that four windows of 3 x 3 cover

inline int64_t squares_of(int64_t batch, int64_t height, int64_t width, int64_t channels) {
  return batch * divide_up(height, kSquareRows) * divide_up(width, kLanes / (channels / 2) * kQuadColumns);
}

// Whether there are kernels for poolings of a window.
inline bool slides_over(const PoolWindow& w) {
  return w.is_square_of_three() && w.padding[0] == 1 && w.padding[1] == 1 && w.stride[0] == w.stride[1] &&
         (w.stride[0] == 1 || w.stride[0] == 2);
}

template <int kChannels, bool half>
class Square {
  using Shape = WarpShape<kChannels>;
  using Own = Elements<half, 2>;
  using Bits = typename Own::Bits;
  static constexpr int kElementBytes = half ? 2 : 4, kPixelBytes = kChannels * kElementBytes;

 public:
  int channel;

  __device__ Square(int height, int width, Index unit) : height_(height), width_(width) {
    const int lane = lane_number();
    const Index across = static_cast<Index>(divide_up(width, Shape::kColumns));
    const Index down = static_cast<Index>(divide_up(height, kSquareRows));
    const Index image = unit / (across * down), rest = unit - image * across * down;
    top_ = static_cast<int>(rest / across) * kSquareRows;
    left_ = static_cast<int>(rest % across) * Shape::kColumns + lane / Shape::kPairs * kQuadColumns;
    channel = lane % Shape::kPairs * 2;
    place(image);
  }
  // The pixels of an image of other sizes around which windows of a stride lie that give the square's.
  __device__ Square(const Square& square, int height, int width, int stride)
      : channel(square.channel),
        height_(height),
        width_(width),
        top_(square.top_ * stride),
        left_(square.left_ * stride) {
    place(square.image_);
  }
  __device__ __forceinline__ Index image() const { return image_; }
  // Row and column from those of the first pixel.
  __device__ __forceinline__ bool has(int row, int column) const {
    return static_cast<unsigned>(top_ + row) < static_cast<unsigned>(height_) &&
           static_cast<unsigned>(left_ + column) < static_cast<unsigned>(width_);
  }
  __device__ __forceinline__ bool has_row(int row) const {
    return static_cast<unsigned>(top_ + row) < static_cast<unsigned>(height_);
  }
  // 0 outside the image.
  __device__ __forceinline__ float2 load(const void* data, int row, int column) const {
    const auto* from = static_cast<const unsigned char*>(data) + offset_ + row * pitch_ + column * kPixelBytes;
    return has(row, column) ? Own::value(*reinterpret_cast<const Bits*>(from)) : make_float2(0, 0);
  }
  __device__ __forceinline__ void store(void* data, int row, int column, float2 value) const {
    if (!has(row, column)) return;
    auto* to = static_cast<unsigned char*>(data) + offset_ + row * pitch_ + column * kPixelBytes;
    if constexpr (half) {
      *reinterpret_cast<unsigned*>(to) = to_bfloat16_pair(value.x, value.y);
    } else {
      *reinterpret_cast<float2*>(to) = value;
    }
  }
  // Pixels that the window of 3 x 3 around a pixel covers.
  __device__ __forceinline__ int covered(int row, int column) const {
    return extent(top_ + row, height_) * extent(left_ + column, width_);
  }

 private:
  __device__ __forceinline__ void place(Index image) {
    image_ = image;
    pitch_ = width_ * kPixelBytes;
    const int64_t pixel = (int64_t{image} * height_ + top_) * width_ + left_;
    offset_ = (pixel * kChannels + channel) * kElementBytes;
  }
  __device__ static __forceinline__ int extent(int at, int size) {
    return 3 - (at == 0 ? 1 : 0) - (at == size - 1 ? 1 : 0);
  }
  const int height_, width_;
  Index image_;
  int top_, left_, pitch_;
  int64_t offset_;
};

using SquareValues = float2[kSquareRows][kQuadColumns];

// Calls body(row, column) for a lane's pixels.
template <typename Body>
__device__ __forceinline__ void for_square(const Body& body) {
#pragma unroll
  for (int row = 0; row < kSquareRows; ++row) {
#pragma unroll
    for (int column = 0; column < kQuadColumns; ++column) body(row, column);
  }
}

// Sums and maxima of the windows of 3 x 3 around a lane's pixels, from one look at them.
template <int kChannels, bool half>
__device__ __forceinline__ void pool_square(const Square<kChannels, half>& square, const void* data, SquareValues& sums,
                                            SquareValues& maxima) {
  for_square([&](int row, int column) {
    sums[row][column] = make_float2(0, 0);
    maxima[row][column] = make_float2(-INFINITY, -INFINITY);
  });
#pragma unroll
  for (int in = 0; in < kPooledSpan; ++in) {
    if (!square.has_row(in - 1)) continue;  // the same for all lanes
    float2 values[kPooledSpan], floors[kPooledSpan];
#pragma unroll
    for (int i = 0; i < kPooledSpan; ++i) {
      values[i] = square.load(data, in - 1, i - 1);
      floors[i] = square.has(in - 1, i - 1) ? values[i] : make_float2(-INFINITY, -INFINITY);
    }
#pragma unroll
    for (int column = 0; column < kQuadColumns; ++column) {
      const float2 sum = values[column] + values[column + 1] + values[column + 2];
      const float2 maximum = larger_of(larger_of(floors[column], floors[column + 1]), floors[column + 2]);
#pragma unroll
      for (int row = 0; row < kSquareRows; ++row) {
        if (in < row || in > row + 2) continue;
        sums[row][column] = sums[row][column] + sum;
        maxima[row][column] = larger_of(maxima[row][column], maximum);
      }
    }
  }
}

// Sums or maxima alone, of windows of a stride around a square of their input.
template <int kStride, bool maximum, int kChannels, bool half>
__device__ __forceinline__ void pool_square(const Square<kChannels, half>& source, const void* data,
                                            SquareValues& pooled) {
  constexpr int kSpan = 3 * kStride + 3;
  constexpr float kNone = maximum ? -INFINITY : 0.0f;
  const auto join = [](float2 a, float2 b) {
    if constexpr (maximum) return larger_of(a, b);
    return a + b;
  };
  for_square([&](int row, int column) { pooled[row][column] = make_float2(kNone, kNone); });
#pragma unroll
  for (int in = 0; in < kSpan; ++in) {
    if (!source.has_row(in - 1)) continue;
    float2 values[kSpan];
#pragma unroll
    for (int i = 0; i < kSpan; ++i) {
      values[i] = source.load(data, in - 1, i - 1);
      if (maximum && !source.has(in - 1, i - 1)) values[i] = make_float2(kNone, kNone);
    }
#pragma unroll
    for (int column = 0; column < kQuadColumns; ++column) {
      const int at = column * kStride;
      const float2 own = join(join(values[at], values[at + 1]), values[at + 2]);
#pragma unroll
      for (int row = 0; row < kSquareRows; ++row) {
        const int window = row * kStride;
        if (in >= window && in <= window + 2) pooled[row][column] = join(pooled[row][column], own);
      }
    }
  }
}

// Reciprocals of how many pixels a window covers, in shared memory.
inline constexpr int kReciprocals = 10;
__device__ __forceinline__ void load_reciprocals(float* shared) {
  if (threadIdx.x < kReciprocals) shared[threadIdx.x] = 1.0f / static_cast<float>(threadIdx.x);
}
// Sums of windows of a stride around a square of their input to their averages.
template <int kStride, int kChannels, bool half>
__device__ __forceinline__ void average_square(const Square<kChannels, half>& source, const float* reciprocals,
                                               bool count_include_pad, SquareValues& sums) {
  for_square([&](int row, int column) {
    const int at = row * kStride, beside = column * kStride;
    const int covered = count_include_pad ? 9 : source.has(at, beside) ? source.covered(at, beside) : 1;
    const float reciprocal = reciprocals[covered];
    sums[row][column] = sums[row][column] * make_float2(reciprocal, reciprocal);
  });
}

}  // namespace dartsmith::cuda::sliding
