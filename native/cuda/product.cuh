// Products of small matrices in shared memory, on the precision's own arithmetic: float32 multiply-adds, or tensor
// cores in TF32 or bfloat16 with float32 sums. A block keeps its sums in registers while the inner dimension goes by in
// steps.
#pragma once
#include <cuda_bf16.h>
#include <mma.h>

#include "cuda/task.cuh"

namespace dartsmith::cuda {

// Elements of a block's product at most; its sides are multiples of 16.
inline constexpr int kProductArea = 64 * 64;

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
// The same for a left factor whose rows a product of float32 reads by single elements, four rows a thread: 16 columns
// need an odd pitch, or every fourth row would begin in one of two banks.
template <Precision precision>
__host__ __device__ constexpr int left_pitch_of(int columns) {
  return precision == Precision::kFp32 && columns == 16 ? columns + 5 : pitch_of<precision>(columns);
}

// Sums of rows x columns, both multiples of 16.
template <Precision precision>
class Product;

// Each thread owns squares of 4 x 4, so many at most.
template <>
class Product<Precision::kFp32> {
  static constexpr int kSquares = kProductArea / 16 / kThreads;

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

// Factors of tensor cores as their precision takes them; those in bfloat16 are.
template <Precision precision, typename Fragment>
__device__ void round_factors(Fragment& fragment) {
  if constexpr (precision == Precision::kTf32) {
#pragma unroll
    for (int i = 0; i < fragment.num_elements; ++i) fragment.x[i] = nvcuda::wmma::__float_to_tf32(fragment.x[i]);
  }
}

// Each warp owns fragments of 16 x 16, so many at most.
template <Precision precision>
class Product {
  static constexpr bool kHalf = precision == Precision::kBf16;
  static constexpr int kInner = kHalf ? 16 : 8;
  static constexpr int kFragments = kProductArea / 256 / kWarps;
  using Type = typename Factor<precision>::Type;
  using Element = std::conditional_t<kHalf, __nv_bfloat16, nvcuda::wmma::precision::tf32>;
  using Left = nvcuda::wmma::fragment<nvcuda::wmma::matrix_a, 16, 16, kInner, Element, nvcuda::wmma::row_major>;
  using Right = nvcuda::wmma::fragment<nvcuda::wmma::matrix_b, 16, 16, kInner, Element, nvcuda::wmma::row_major>;

 public:
  __device__ Product(int rows, int columns) : columns_(columns / 16), fragments_(rows / 16 * columns_) {
#pragma unroll
    for (int f = 0; f < kFragments; ++f) nvcuda::wmma::fill_fragment(sums_[f], 0.0f);
  }

  __device__ void add(const Type* left, int left_pitch, const Type* right, int right_pitch, int inner) {
#pragma unroll
    for (int f = 0; f < kFragments; ++f) {
      const int fragment = static_cast<int>(threadIdx.x) / kLanes + f * kWarps;
      if (fragment >= fragments_) break;
      for (int k = 0; k < inner; k += kInner) {
        Left a;
        Right b;
        nvcuda::wmma::load_matrix_sync(a, left + fragment / columns_ * 16 * left_pitch + k, left_pitch);
        nvcuda::wmma::load_matrix_sync(b, right + k * right_pitch + fragment % columns_ * 16, right_pitch);
        round_factors<precision>(a);
        round_factors<precision>(b);
        nvcuda::wmma::mma_sync(sums_[f], a, b, sums_[f]);
      }
    }
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
  nvcuda::wmma::fragment<nvcuda::wmma::accumulator, 16, 16, kInner, float> sums_[kFragments];
  int columns_;  // of fragments
  int fragments_;
};

// The product of a left factor given by columns, [inner, rows], and a right one, summed from one pair of factors to the
// next: small ones of a long inner dimension, which is cut into slices so that every thread has a share. The slices'
// own sums are added up by whoever reads the result.
template <Precision precision>
class SlicedProduct;

// Each thread owns a square of 4 x 4 of one slice.
template <>
class SlicedProduct<Precision::kFp32> {
 public:
  __device__ SlicedProduct(int rows, int columns)
      : rows_(rows),
        columns_(columns),
        slices_(static_cast<int>(larger(1, kThreads / (rows / 4 * columns / 4)))),
        square_(static_cast<int>(threadIdx.x) % (rows / 4 * columns / 4)),
        slice_(static_cast<int>(threadIdx.x) / (rows / 4 * columns / 4)) {
#pragma unroll
    for (int i = 0; i < 4; ++i) sums_[i] = splat(0);
  }
  __device__ int slices() const {
    return slices_;
  }

  __device__ void add(const float* left, int left_pitch, const float* right, int right_pitch, int inner) {
    if (slice_ >= slices_) return;
    const float* a = left + square_ / (columns_ / 4) * 4;
    const float* b = right + square_ % (columns_ / 4) * 4;
#pragma unroll 4
    for (int k = slice_; k < inner; k += slices_) {
      float4 column = *reinterpret_cast<const float4*>(a + k * left_pitch);
      const float4 row = *reinterpret_cast<const float4*>(b + k * right_pitch);
#pragma unroll
      for (int i = 0; i < 4; ++i) sums_[i] = fused(splat(at(column, i)), row, sums_[i]);
    }
  }
  // The sums to result [slices, rows, columns + kResultPad].
  __device__ void store(float* result) const {
    if (slice_ >= slices_) return;
    const int pitch = columns_ + kResultPad;
    float* to = result + (slice_ * rows_ + square_ / (columns_ / 4) * 4) * pitch + square_ % (columns_ / 4) * 4;
#pragma unroll
    for (int i = 0; i < 4; ++i) *reinterpret_cast<float4*>(to + i * pitch) = sums_[i];
  }

 private:
  float4 sums_[4];
  int rows_, columns_, slices_;
  int square_, slice_;
};

// Each warp owns a fragment of 16 x 16 of one slice.
template <Precision precision>
class SlicedProduct {
  static constexpr bool kHalf = precision == Precision::kBf16;
  static constexpr int kInner = kHalf ? 16 : 8;
  using Type = typename Factor<precision>::Type;
  using Element = std::conditional_t<kHalf, __nv_bfloat16, nvcuda::wmma::precision::tf32>;

 public:
  __device__ SlicedProduct(int rows, int columns)
      : rows_(rows),
        columns_(columns),
        slices_(static_cast<int>(larger(1, kWarps / (rows / 16 * columns / 16)))),
        fragment_(static_cast<int>(threadIdx.x) / kLanes % (rows / 16 * columns / 16)),
        slice_(static_cast<int>(threadIdx.x) / kLanes / (rows / 16 * columns / 16)) {
    nvcuda::wmma::fill_fragment(sums_, 0.0f);
  }
  __device__ int slices() const { return slices_; }

  __device__ void add(const Type* left, int left_pitch, const Type* right, int right_pitch, int inner) {
    if (slice_ >= slices_) return;
    const Type* a = left + fragment_ / (columns_ / 16) * 16;
    const Type* b = right + fragment_ % (columns_ / 16) * 16;
    for (int k = slice_ * kInner; k < inner; k += slices_ * kInner) {
      nvcuda::wmma::fragment<nvcuda::wmma::matrix_a, 16, 16, kInner, Element, nvcuda::wmma::col_major> column;
      nvcuda::wmma::fragment<nvcuda::wmma::matrix_b, 16, 16, kInner, Element, nvcuda::wmma::row_major> row;
      nvcuda::wmma::load_matrix_sync(column, a + k * left_pitch, left_pitch);
      nvcuda::wmma::load_matrix_sync(row, b + k * right_pitch, right_pitch);
      round_factors<precision>(column);
      round_factors<precision>(row);
      nvcuda::wmma::mma_sync(sums_, column, row, sums_);
    }
  }
  __device__ void store(float* result) const {
    if (slice_ >= slices_) return;
    const int pitch = columns_ + kResultPad;
    nvcuda::wmma::store_matrix_sync(
        result + (slice_ * rows_ + fragment_ / (columns_ / 16) * 16) * pitch + fragment_ % (columns_ / 16) * 16, sums_,
        pitch, nvcuda::wmma::mem_row_major);
  }

 private:
  nvcuda::wmma::fragment<nvcuda::wmma::accumulator, 16, 16, kInner, float> sums_;
  int rows_, columns_, slices_;
  int fragment_, slice_;
};

// Elements that the result of a sliced product takes at most.
inline constexpr int64_t kSlicedElements = 5120;

}  // namespace dartsmith::cuda
