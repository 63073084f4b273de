// Max and average pooling of one window.
#pragma once
#include "cuda/task.cuh"
#include "engine/attributes.h"

namespace dartsmith::cuda {

struct PoolWindow {
  int kernel[2], stride[2], padding[2];
  int in_height, in_width, out_height, out_width;
  bool takes_max, count_include_pad;

  PoolWindow() = default;
  PoolWindow(const PoolAttributes& pool, const Tensor& input, int64_t height, int64_t width)
      : kernel{pool.window.kernel[0], pool.window.kernel[1]},
        stride{pool.window.stride[0], pool.window.stride[1]},
        padding{pool.window.padding[0], pool.window.padding[1]},
        in_height(static_cast<int>(input.height)),
        in_width(static_cast<int>(input.width)),
        out_height(static_cast<int>(height)),
        out_width(static_cast<int>(width)),
        takes_max(pool.takes_max),
        count_include_pad(pool.count_include_pad) {}

  // What the window at an output pixel covers of the image.
  struct Span {
    int top, bottom, left, right;
  };
  __device__ __forceinline__ Span span(int row, int column) const {
    const int top = row * stride[0] - padding[0], left = column * stride[1] - padding[1];
    return {top > 0 ? top : 0, top + kernel[0] < in_height ? top + kernel[0] : in_height, left > 0 ? left : 0,
            left + kernel[1] < in_width ? left + kernel[1] : in_width};
  }
  __device__ __forceinline__ float reciprocal(const Span& s) const {
    const int count = count_include_pad ? kernel[0] * kernel[1] : (s.bottom - s.top) * (s.right - s.left);
    return 1.0f / static_cast<float>(count);
  }

  bool is_square_of_three() const { return kernel[0] == 3 && kernel[1] == 3; }
  // Whether both cover the same elements of an image of the same size.
  bool covers_as(const PoolWindow& other) const {
    bool same = in_height == other.in_height && in_width == other.in_width;
    for (int axis = 0; axis < 2; ++axis) {
      same = same && kernel[axis] == other.kernel[axis] && stride[axis] == other.stride[axis] &&
             padding[axis] == other.padding[axis];
    }
    return same;
  }

  // The elements of a window of 3 x 3, `missing` outside the image.
  template <Layout layout>
  __device__ __forceinline__ void elements(const View& x, Index image, int row, int column, int channel, float4 missing,
                                           float4 (&values)[9]) const {
    const Span s = span(row, column);
    const int top = row * stride[0] - padding[0], left = column * stride[1] - padding[1];
#pragma unroll
    for (int i = 0; i < 9; ++i) {
      const int y = top + i / 3, at = left + i % 3;
      const bool inside = y >= s.top && y < s.bottom && at >= s.left && at < s.right;
      values[i] = inside ? x.load<layout>(image + static_cast<Index>(y * in_width + at), channel) : missing;
    }
  }

  // Four channels of a pooled pixel; `image` is the index of the image's first pixel.
  template <Layout layout>
  __device__ __forceinline__ float4 value(const View& x, Index image, int row, int column, int channel) const {
    const Span s = span(row, column);
    float4 result = splat(takes_max ? -INFINITY : 0);
    if (kernel[0] == 3 && kernel[1] == 3) {
      float4 values[9];
      elements<layout>(x, image, row, column, channel, result, values);
#pragma unroll
      for (int i = 0; i < 9; ++i) result = joined(values[i], result);
    } else {
      for (int y = s.top; y < s.bottom; ++y) {
        for (int left = s.left; left < s.right; ++left) {
          result = joined(x.load<layout>(image + static_cast<Index>(y * in_width + left), channel), result);
        }
      }
    }
    return takes_max ? result : result * splat(reciprocal(s));
  }
  template <Layout layout>
  __device__ __forceinline__ float4 value(const View& x, Index pixel, int channel) const {
    const Place place(*this, pixel);
    return value<layout>(x, place.image, place.row, place.column, channel);
  }
  // What this average and the maximum of the same window of 3 x 3 give, from one look at its elements.
  template <Layout layout>
  __device__ __forceinline__ void average_and_maximum(const View& x, Index pixel, int channel, float4& average,
                                                      float4& maximum) const {
    const Place place(*this, pixel);
    float4 values[9];
    elements<layout>(x, place.image, place.row, place.column, channel, splat(-INFINITY), values);
    const Span s = span(place.row, place.column);
    const int top = place.row * stride[0] - padding[0], left = place.column * stride[1] - padding[1];
    maximum = splat(-INFINITY);
    average = splat(0);
#pragma unroll
    for (int i = 0; i < 9; ++i) {
      const int y = top + i / 3, at = left + i % 3;
      const bool inside = y >= s.top && y < s.bottom && at >= s.left && at < s.right;
      maximum = larger_of(values[i], maximum);
      average = average + (inside ? values[i] : splat(0));
    }
    average = average * splat(reciprocal(s));
  }

 private:
  // Of an output: the image's first pixel, and where in the image of outputs it is.
  struct Place {
    Index image;
    int row, column;
    __device__ Place(const PoolWindow& w, Index pixel) {
      const Index area = static_cast<Index>(w.out_height) * static_cast<Index>(w.out_width);
      const int within = static_cast<int>(pixel % area);
      image = pixel / area * static_cast<Index>(w.in_height * w.in_width);
      row = within / w.out_width;
      column = within % w.out_width;
    }
  };
  // A NaN wins over everything.
  __device__ static __forceinline__ float4 larger_of(float4 value, float4 so_far) {
    return map4(value, so_far, [](float v, float best) { return v > best || v != v ? v : best; });
  }
  __device__ __forceinline__ float4 joined(float4 value, float4 so_far) const {
    return takes_max ? larger_of(value, so_far) : so_far + value;
  }
};

}  // namespace dartsmith::cuda
