// The gradient of the pointwise weights: z^T dy, summed over the pixels of the batches of a unit or a block. Both
// factors lie in stages in shared memory with the pixels of a channel side by side; a lane keeps its sums in registers.
// Of 64 channels a warp keeps those of a quarter of the outputs and goes through the stages of all warps, else all of
// its own.
#pragma once
#include "cuda/sliding/pointwise.cuh"

namespace dartsmith::cuda::sliding {

// Warps whose stages a warp goes through, which so often share the outputs.
template <int kChannels>
inline constexpr int kOuterShares = kChannels == 64 ? kUnits : 1;

template <Precision precision, int kChannels>
class Outer;

// The stages are those of Pointwise. A lane has rows of a stage, kChannels / kLeft apart, which begin in different
// banks.
template <int kChannels>
class Outer<Precision::kFp32, kChannels> {
  static constexpr int kPixels = WarpShape<kChannels>::kPixels, kPitch = kPixels + 4;
  static constexpr int kLeft = kChannels == 16 ? 4 : 8, kRight = 4;
  static constexpr int kLeftLanes = kChannels / kLeft, kRightLanes = kChannels / kOuterShares<kChannels> / kRight;
  static constexpr int kSlices = kLanes / (kLeftLanes * kRightLanes);  // of the pixels

 public:
  static constexpr int64_t kStageBytes = int64_t{kChannels} * kPitch * 4;
  static constexpr int kCopies = kSlices;  // of the sums, in different lanes

  __device__ Outer() {
    const int lane = lane_number(), warp = warp_number();
    left_ = lane % kLeftLanes;
    right_ = lane / kLeftLanes % kRightLanes + warp % kOuterShares<kChannels> * kRightLanes;
    slice_ = lane / (kLeftLanes * kRightLanes);
#pragma unroll
    for (int i = 0; i < kLeft; ++i) {
#pragma unroll
      for (int j = 0; j < kRight; ++j) sums_[i][j] = 0;
    }
  }
  // Two channels of four columns of a row of the batch.
  __device__ static __forceinline__ void keep(void* stage, int row, const float2 (&values)[kQuadColumns]) {
    Pointwise<Precision::kFp32, kChannels>::keep(stage, row, values);
  }
  __device__ __forceinline__ void add(const void* z, const void* dy) {
    const auto* left = static_cast<const float*>(z) + left_ * kPitch;
    const auto* right = static_cast<const float*>(dy) + right_ * kPitch;
#pragma unroll 1
    for (int pixel = slice_ * 4; pixel < kPixels; pixel += kSlices * 4) {
      float4 b[kRight];
#pragma unroll
      for (int j = 0; j < kRight; ++j) {
        b[j] = *reinterpret_cast<const float4*>(right + j * (kChannels / kRight) * kPitch + pixel);
      }
#pragma unroll
      for (int i = 0; i < kLeft; ++i) {
        const float4 a = *reinterpret_cast<const float4*>(left + i * kLeftLanes * kPitch + pixel);
#pragma unroll
        for (int j = 0; j < kRight; ++j) {
          sums_[i][j] = fmaf(a.x, b[j].x, sums_[i][j]);
          sums_[i][j] = fmaf(a.y, b[j].y, sums_[i][j]);
          sums_[i][j] = fmaf(a.z, b[j].z, sums_[i][j]);
          sums_[i][j] = fmaf(a.w, b[j].w, sums_[i][j]);
        }
      }
    }
  }
  // Calls body(place, sum) for the places [inputs, outputs] of a lane's sums.
  template <typename Body>
  __device__ __forceinline__ void for_sums(const Body& body) const {
#pragma unroll
    for (int i = 0; i < kLeft; ++i) {
#pragma unroll
      for (int j = 0; j < kRight; ++j) {
        body(channel(left_ + i * kLeftLanes) * kChannels + channel(right_ + j * (kChannels / kRight)), sums_[i][j]);
      }
    }
  }
  __device__ __forceinline__ int copy() const {
    return slice_;
  }

 private:
  // Of a row of a stage.
  __device__ static int channel(int row) {
    return row < kChannels / 2 ? 2 * row : 2 * row - kChannels + 1;
  }
  float sums_[kLeft][kRight];
  int left_, right_, slice_;
};

// By tensor cores, from stages of their own [C][pixels + padding]; channels in order.
template <Precision precision, int kChannels>
class Outer {
  static constexpr bool kHalf = precision == Precision::kBf16;
  static constexpr int kInWord = kHalf ? 2 : 1;
  static constexpr int kPixels = WarpShape<kChannels>::kPixels, kPitch = kPixels / kInWord + 4;  // words
  static constexpr int kSteps = kPixels / (8 * kInWord);
  static constexpr int kRows = kChannels / 16, kColumns = kChannels / kOuterShares<kChannels> / 8;  // of fragments

 public:
  static constexpr int64_t kStageBytes = int64_t{kChannels} * kPitch * 4;
  static constexpr int kCopies = 1;

  __device__ Outer() : first_(warp_number() % kOuterShares<kChannels> * kColumns) {}
  __device__ static __forceinline__ void keep(void* stage, int row, const float2 (&values)[kQuadColumns]) {
    using Shape = WarpShape<kChannels>;
    const int pair = lane_number() % Shape::kPairs,
              pixel = row * Shape::kColumns + lane_number() / Shape::kPairs * kQuadColumns;
    auto* to = static_cast<unsigned*>(stage) + pair * 2 * kPitch + pixel / kInWord;
    if constexpr (kHalf) {
      *reinterpret_cast<uint2*>(to) =
          make_uint2(to_bfloat16_pair(values[0].x, values[1].x), to_bfloat16_pair(values[2].x, values[3].x));
      *reinterpret_cast<uint2*>(to + kPitch) =
          make_uint2(to_bfloat16_pair(values[0].y, values[1].y), to_bfloat16_pair(values[2].y, values[3].y));
    } else {
      *reinterpret_cast<float4*>(to) =
          make_float4(to_tf32(values[0].x), to_tf32(values[1].x), to_tf32(values[2].x), to_tf32(values[3].x));
      *reinterpret_cast<float4*>(to + kPitch) =
          make_float4(to_tf32(values[0].y), to_tf32(values[1].y), to_tf32(values[2].y), to_tf32(values[3].y));
    }
  }
  __device__ __forceinline__ void add(const void* z, const void* dy) {
    const int row = lane_number() / 8 % 2 * 8 + lane_number() % 8, word = lane_number() / 16 * 4;
    const auto* left = static_cast<const unsigned*>(z) + row * kPitch + word;
    // Matrices of the right factor: two fragments of columns, each of two halves of the inner dimension.
    const auto* right = static_cast<const unsigned*>(dy) +
                        (first_ * 8 + lane_number() / 16 * 8 + lane_number() % 8) * kPitch + lane_number() / 8 % 2 * 4;
#pragma unroll 1
    for (int step = 0; step < kSteps; ++step) {
      unsigned b[kColumns / 2][4];
#pragma unroll
      for (int j = 0; j < kColumns / 2; ++j) load_matrices(b[j], right + j * 16 * kPitch + step * 8);
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
        unsigned a[4];
        load_matrices(a, left + i * 16 * kPitch + step * 8);
#pragma unroll
        for (int j = 0; j < kColumns; ++j) {
          multiply_add<precision>(sums_[i][j], a, b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
        }
      }
    }
  }
  template <typename Body>
  __device__ __forceinline__ void for_sums(const Body& body) const {
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
#pragma unroll
      for (int j = 0; j < kColumns; ++j) {
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          const int input = i * 16 + k / 2 * 8 + lane_number() / 4,
                    output = (first_ + j) * 8 + lane_number() % 4 * 2 + k % 2;
          body(input * kChannels + output, sums_[i][j][k]);
        }
      }
    }
  }
  __device__ __forceinline__ int copy() const {
    return 0;
  }

 private:
  float sums_[kRows][kColumns][4] = {};
  int first_;  // fragment of columns
};

// Adds the batches that lie in the warps' stages, one behind another: a warp its own, or all, which the block then has
// to have written.
template <int kChannels, typename Sums>
__device__ __forceinline__ void add_batch(Sums& sums, const unsigned char* z, const unsigned char* dy) {
  constexpr int kShares = kOuterShares<kChannels>;
  if constexpr (kShares > 1) __syncthreads();
  const int begin = kShares > 1 ? 0 : warp_number();
#pragma unroll 1
  for (int w = begin; w < begin + kShares; ++w) sums.add(z + w * Sums::kStageBytes, dy + w * Sums::kStageBytes);
  if constexpr (kShares > 1) __syncthreads();
}

// The sums of all warps, one copy after another, to the block's partial sum.
template <int kChannels, typename Sums>
__device__ __forceinline__ void keep_sums(const Sums& sums, float* shared, float* partial) {
  constexpr int kCopies = kUnits / kOuterShares<kChannels> * Sums::kCopies;
  const int copy = warp_number() / kOuterShares<kChannels> * Sums::kCopies + sums.copy();
#pragma unroll 1
  for (int turn = 0; turn < kCopies; ++turn) {
    __syncthreads();
    if (turn != copy) continue;
    sums.for_sums([&](int place, float sum) { shared[place] = turn == 0 ? sum : shared[place] + sum; });
  }
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < kChannels * kChannels; i += kBlockThreads) partial[i] = shared[i];
}

}  // namespace dartsmith::cuda::sliding
