// Products of small matrices in shared memory, on the precision's own arithmetic: float32 multiply-adds, or tensor
// cores in TF32 or bfloat16 with float32 sums. A block keeps its sums in registers while the inner dimension goes by in
// steps.
#pragma once
#include <cuda_bf16.h>
#include <mma.h>

#include "cuda/task.h"

namespace dartsmith::cuda {

// Sides of a block's product at most, and steps of the inner dimension at most; all multiples of 16.
inline constexpr int kProductRows = 64;
inline constexpr int kProductColumns = 64;
inline constexpr int kProductInner = 32;

// How a precision holds the factors in shared memory.
template <Precision precision>
struct Factor {
  using Type = float;
  static constexpr int kPad = 4;  // between rows, so that tensor cores and threads meet few bank conflicts
  __device__ static __forceinline__ Type of(float value) { return value; }
};
template <>
struct Factor<Precision::kBf16> {
  using Type = __nv_bfloat16;
  static constexpr int kPad = 8;
  __device__ static __forceinline__ Type of(float value) {
    const uint16_t bits = to_bfloat16(value);
    Type result;
    memcpy(&result, &bits, sizeof result);
    return result;
  }
};

// A row's elements from one to the next.
template <Precision precision>
__host__ __device__ constexpr int pitch_of(int columns) {
  return columns + Factor<precision>::kPad;
}
inline constexpr int kResultPad = 4;

// Sums of rows x columns, both multiples of 16.
template <Precision precision>
class Product;

// Each thread owns squares of 4 x 4, so many at most.
template <>
class Product<Precision::kFp32> {
  static constexpr int kSquares = kProductRows * kProductColumns / 16 / kThreads;

 public:
  __device__ Product(int rows, int columns) : columns_(columns / 4), squares_(rows / 4 * columns_) {
#pragma unroll
    for (int s = 0; s < kSquares; ++s) {
#pragma unroll
      for (int i = 0; i < 4; ++i) sums_[s][i] = splat(0);
    }
  }

  // Adds left [rows, inner] times right [inner, columns].
  __device__ void add(const float* left, int left_pitch, const float* right, int right_pitch, int inner) {
#pragma unroll
    for (int s = 0; s < kSquares; ++s) {
      const int square = static_cast<int>(threadIdx.x) + s * kThreads;
      if (square >= squares_) break;
      const float* a = left + square / columns_ * 4 * left_pitch;
      const float* b = right + square % columns_ * 4;
#pragma unroll 4
      for (int k = 0; k < inner; ++k) {
        const float4 row = *reinterpret_cast<const float4*>(b + k * right_pitch);
#pragma unroll
        for (int i = 0; i < 4; ++i) sums_[s][i] = fused(splat(a[i * left_pitch + k]), row, sums_[s][i]);
      }
    }
  }

  // The same of left given by columns, [inner, rows].
  __device__ void add_transposed(const float* left, int left_pitch, const float* right, int right_pitch, int inner) {
#pragma unroll
    for (int s = 0; s < kSquares; ++s) {
      const int square = static_cast<int>(threadIdx.x) + s * kThreads;
      if (square >= squares_) break;
      const float* a = left + square / columns_ * 4;
      const float* b = right + square % columns_ * 4;
#pragma unroll 4
      for (int k = 0; k < inner; ++k) {
        float4 column = *reinterpret_cast<const float4*>(a + k * left_pitch);
        const float4 row = *reinterpret_cast<const float4*>(b + k * right_pitch);
#pragma unroll
        for (int i = 0; i < 4; ++i) sums_[s][i] = fused(splat(at(column, i)), row, sums_[s][i]);
      }
    }
  }

  // The sums to result [rows, columns].
  __device__ void store(float* result, int pitch) const {
#pragma unroll
    for (int s = 0; s < kSquares; ++s) {
      const int square = static_cast<int>(threadIdx.x) + s * kThreads;
      if (square >= squares_) break;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        *reinterpret_cast<float4*>(result + (square / columns_ * 4 + i) * pitch + square % columns_ * 4) = sums_[s][i];
      }
    }
  }

 private:
  float4 sums_[kSquares][4];
  int columns_;  // of squares
  int squares_;
};

// Each warp owns fragments of 16 x 16, so many at most.
template <Precision precision>
class Product {
  static constexpr bool kHalf = precision == Precision::kBf16;
  static constexpr int kInner = kHalf ? 16 : 8;
  static constexpr int kFragments = kProductRows * kProductColumns / 256 / kWarps;
  using Type = typename Factor<precision>::Type;
  using Element = std::conditional_t<kHalf, __nv_bfloat16, nvcuda::wmma::precision::tf32>;
  template <typename Layout>
  using Left = nvcuda::wmma::fragment<nvcuda::wmma::matrix_a, 16, 16, kInner, Element, Layout>;
  using Right = nvcuda::wmma::fragment<nvcuda::wmma::matrix_b, 16, 16, kInner, Element, nvcuda::wmma::row_major>;

 public:
  __device__ Product(int rows, int columns) : columns_(columns / 16), fragments_(rows / 16 * columns_) {
#pragma unroll
    for (int f = 0; f < kFragments; ++f) nvcuda::wmma::fill_fragment(sums_[f], 0.0f);
  }

  __device__ void add(const Type* left, int left_pitch, const Type* right, int right_pitch, int inner) {
    add_fragments<nvcuda::wmma::row_major>(
        right, right_pitch, inner, [&](int row, int k) { return left + row * 16 * left_pitch + k; }, left_pitch);
  }
  __device__ void add_transposed(const Type* left, int left_pitch, const Type* right, int right_pitch, int inner) {
    add_fragments<nvcuda::wmma::col_major>(
        right, right_pitch, inner, [&](int row, int k) { return left + k * left_pitch + row * 16; }, left_pitch);
  }
  __device__ void store(float* result, int pitch) const {
#pragma unroll
    for (int f = 0; f < kFragments; ++f) {
      const int fragment = static_cast<int>(threadIdx.x) / kLanes + f * kWarps;
      if (fragment >= fragments_) break;
      nvcuda::wmma::store_matrix_sync(result + fragment / columns_ * 16 * pitch + fragment % columns_ * 16, sums_[f],
                                      pitch, nvcuda::wmma::mem_row_major);
    }
  }

 private:
  template <typename Layout, typename Find>
  __device__ void add_fragments(const Type* right, int right_pitch, int inner, const Find& find, int left_pitch) {
#pragma unroll
    for (int f = 0; f < kFragments; ++f) {
      const int fragment = static_cast<int>(threadIdx.x) / kLanes + f * kWarps;
      if (fragment >= fragments_) break;
      for (int k = 0; k < inner; k += kInner) {
        Left<Layout> a;
        Right b;
        nvcuda::wmma::load_matrix_sync(a, find(fragment / columns_, k), left_pitch);
        nvcuda::wmma::load_matrix_sync(b, right + k * right_pitch + fragment % columns_ * 16, right_pitch);
        round(a);
        round(b);
        nvcuda::wmma::mma_sync(sums_[f], a, b, sums_[f]);
      }
    }
  }
  template <typename Fragment>
  __device__ static void round(Fragment& fragment) {
    if constexpr (!kHalf) {
#pragma unroll
      for (int i = 0; i < fragment.num_elements; ++i) fragment.x[i] = nvcuda::wmma::__float_to_tf32(fragment.x[i]);
    }
  }

  nvcuda::wmma::fragment<nvcuda::wmma::accumulator, 16, 16, kInner, float> sums_[kFragments];
  int columns_;  // of fragments
  int fragments_;
};

// Calls body(std::integral_constant) for a precision known when running.
template <typename Body>
void with_precision(Precision precision, const Body& body) {
  switch (precision) {
    case Precision::kFp32:
      return body(std::integral_constant<Precision, Precision::kFp32>{});
    case Precision::kTf32:
      return body(std::integral_constant<Precision, Precision::kTf32>{});
    case Precision::kBf16:
      return body(std::integral_constant<Precision, Precision::kBf16>{});
  }
}

}  // namespace dartsmith::cuda
