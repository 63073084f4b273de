// The product of a batch of pixels with the pointwise weights, by one warp: [pixels, C] of a stage in shared memory
// times [C, C]. Float32 multiply-adds, or tensor cores; either way a lane gets 32 results, four channels side by side
// of each of its pixels.
#pragma once
#include "cuda/sliding/lanes.cuh"
#include "cuda/sliding/tensor_core.cuh"

namespace dartsmith::cuda::sliding {

template <Precision precision, int kChannels>
class Pointwise;

// Channel-major stage [C][pixels + 4]: a lane writes a quad of columns of each of its two channels at once. Channel c
// lies in row c / 2 + (c mod 2) * C / 2, so that neighbouring lanes write neighbouring rows, which begin in different
// banks.
template <int kChannels>
class Pointwise<Precision::kFp32, kChannels> {
  using Shape = WarpShape<kChannels>;
  static constexpr int kPitch = Shape::kPixels + 4;
  static constexpr int kOutputGroups = kChannels / 4;

 public:
  static constexpr int kOutputs = kChannels;
  static constexpr int kPixels = 8;  // results of a lane: pixels, vectors of channels
  static constexpr int kVectors = 1;
  static constexpr int64_t kStageBytes = int64_t{kChannels} * kPitch * 4;
  static constexpr int64_t kWeightBytes = int64_t{kChannels} * kChannels * 4;

  // By the whole block. `transposed` takes [outputs, inputs] of weights [inputs, outputs].
  template <bool transposed>
  __device__ static void load_weights(const float* weights, void* shared) {
    auto* to = static_cast<float*>(shared);
    for (int item = static_cast<int>(threadIdx.x); item < kChannels * kChannels; item += kBlockThreads) {
      const int from = item / kChannels, target = item % kChannels;
      to[transposed ? target * kChannels + from : item] = weights[item];
    }
  }
  // Two channels of four columns of a row of the batch.
  __device__ static __forceinline__ void keep(void* stage, int row, const float2 (&values)[kQuadColumns]) {
    const int lane = lane_number();
    const int pair = lane % Shape::kPairs, pixel = row * Shape::kColumns + lane / Shape::kPairs * kQuadColumns;
    auto* to = static_cast<float*>(stage) + pair * kPitch + pixel;
    *reinterpret_cast<float4*>(to) = make_float4(values[0].x, values[1].x, values[2].x, values[3].x);
    *reinterpret_cast<float4*>(to + kChannels / 2 * kPitch) =
        make_float4(values[0].y, values[1].y, values[2].y, values[3].y);
  }
  // Bit 0 of the lanes moves along outputs and bit 1 along pixels: neighbours then read pairs of equal addresses.
  __device__ Pointwise()
      : outputs_((lane_number() & 1) | ((lane_number() >> 2) % (kOutputGroups / 2)) << 1),
        pixels_((lane_number() >> 1 & 1) | ((lane_number() >> 2) / (kOutputGroups / 2)) << 1) {}
  // Result p is that of pixel base() + offset(p) of the batch; rows and columns of the two add up without a carry.
  __device__ __forceinline__ int base() const { return pixels_ * kPixels; }
  static constexpr int offset(int p) { return p; }
  __device__ __forceinline__ int channel(int) const { return outputs_ * 4; }
  // Whether result 0 is that of pixel 0.
  __device__ __forceinline__ bool is_first() const { return pixels_ == 0; }
  // Calls body(lanes) for the distances of lanes that have the same channels.
  template <typename Body>
  __device__ static __forceinline__ void for_distances(const Body& body) {
    body(2);
#pragma unroll
    for (int lanes = 2 * kOutputGroups; lanes < kLanes; lanes *= 2) body(lanes);
  }

  // results += stage * weights
  __device__ __forceinline__ void accumulate(const void* stage, const void* weights,
                                             float4 (&results)[kPixels][kVectors]) const {
    const auto* left = static_cast<const float*>(stage) + pixels_ * kPixels;
    const auto* right = static_cast<const float*>(weights) + outputs_ * 4;
#pragma unroll 2
    for (int pair = 0; pair < kChannels / 2; ++pair) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const float* row = left + (pair + h * kChannels / 2) * kPitch;
        float4 quads[2] = {*reinterpret_cast<const float4*>(row), *reinterpret_cast<const float4*>(row + 4)};
        const float4 weight = *reinterpret_cast<const float4*>(right + (2 * pair + h) * kChannels);
#pragma unroll
        for (int p = 0; p < kPixels; ++p) {
          results[p][0] = fused(splat(at(quads[p / 4], p % 4)), weight, results[p][0]);
        }
      }
    }
  }

 private:
  int outputs_, pixels_;
};

// Pixel-major stage [pixels][C + padding], which ldmatrix reads; weights in the order of fragments, so that a lane
// reads those of sixteen outputs at once. Column 2j + h of the fragment 2t + i stands for channel 16t + 4j + 2i + h: a
// lane then has four neighbouring channels of a pixel.
template <Precision precision, int kChannels>
class Pointwise {
  using Shape = WarpShape<kChannels>;
  static constexpr bool kHalf = precision == Precision::kBf16;
  static constexpr int kInWord = kHalf ? 2 : 1;
  static constexpr int kPitch = kChannels / kInWord + 4;    // words
  static constexpr int kSteps = kChannels / (8 * kInWord);  // of the inner dimension
  static constexpr int kTiles = Shape::kPixels / 16;

 public:
  static constexpr int kOutputs = kChannels;
  static constexpr int kPixels = kTiles * 2;
  static constexpr int kVectors = kChannels / 16;
  static constexpr int64_t kStageBytes = int64_t{Shape::kPixels} * kPitch * 4;
  static constexpr int64_t kWeightBytes = int64_t{kSteps} * kVectors * kLanes * 16;

  template <bool transposed>
  __device__ static void load_weights(const float* weights, void* shared) {
    auto* to = static_cast<unsigned*>(shared);
    const auto weight = [&](int input, int output) {
      return weights[transposed ? output * kChannels + input : input * kChannels + output];
    };
    constexpr int kWords = kSteps * kVectors * kLanes * 4;
    for (int item = static_cast<int>(threadIdx.x); item < kWords; item += kBlockThreads) {
      const int word = item % 4, lane = item / 4 % kLanes, vector = item / (4 * kLanes) % kVectors;
      const int step = item / (4 * kLanes * kVectors), n = lane / 4;
      const int output = 16 * vector + n / 2 * 4 + word / 2 * 2 + n % 2;
      const int input = step * 8 * kInWord + (lane % 4 + word % 2 * 4) * kInWord;
      if constexpr (kHalf) {
        to[item] = to_bfloat16_pair(weight(input, output), weight(input + 1, output));
      } else {
        to[item] = __float_as_uint(to_tf32(weight(input, output)));
      }
    }
  }
  __device__ static __forceinline__ void keep(void* stage, int row, const float2 (&values)[kQuadColumns]) {
    const int pair = lane_number() % Shape::kPairs,
              pixel = row * Shape::kColumns + lane_number() / Shape::kPairs * kQuadColumns;
    auto* to = static_cast<unsigned*>(stage) + pixel * kPitch + pair * 2 / kInWord;
#pragma unroll
    for (int i = 0; i < kQuadColumns; ++i) {
      if constexpr (kHalf) {
        to[i * kPitch] = to_bfloat16_pair(values[i].x, values[i].y);
      } else {
        *reinterpret_cast<float2*>(to + i * kPitch) = make_float2(to_tf32(values[i].x), to_tf32(values[i].y));
      }
    }
  }
  __device__ __forceinline__ int base() const {
    return lane_number() / 4;
  }
  static constexpr int offset(int p) {
    return p * 8;
  }
  __device__ __forceinline__ int channel(int v) const {
    return v * 16 + lane_number() % 4 * 4;
  }
  __device__ __forceinline__ bool is_first() const {
    return lane_number() < 4;
  }
  template <typename Body>
  __device__ static __forceinline__ void for_distances(const Body& body) {
#pragma unroll
    for (int lanes = 4; lanes < kLanes; lanes *= 2) body(lanes);
  }

  __device__ __forceinline__ void accumulate(const void* stage, const void* weights,
                                             float4 (&results)[kPixels][kVectors]) const {
    float sums[kTiles][kVectors][2][4];
    for_places([&](int p, int v, int t, int at) {
      const float4 r = results[p][v];
      sums[t][v][0][at] = r.x, sums[t][v][0][at + 1] = r.y, sums[t][v][1][at] = r.z, sums[t][v][1][at + 1] = r.w;
    });
    const auto* left = static_cast<const unsigned*>(stage) + (lane_number() / 8 % 2 * 8 + lane_number() % 8) * kPitch +
                       lane_number() / 16 * 4;
    const auto* right = static_cast<const uint4*>(weights) + lane_number();
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      uint4 b[kVectors];
#pragma unroll
      for (int v = 0; v < kVectors; ++v) b[v] = right[(step * kVectors + v) * kLanes];
#pragma unroll
      for (int t = 0; t < kTiles; ++t) {
        unsigned a[4];
        load_matrices(a, left + t * 16 * kPitch + step * 8);
#pragma unroll
        for (int v = 0; v < kVectors; ++v) {
          multiply_add<precision>(sums[t][v][0], a, b[v].x, b[v].y);
          multiply_add<precision>(sums[t][v][1], a, b[v].z, b[v].w);
        }
      }
    }
    for_places([&](int p, int v, int t, int at) {
      const auto& s = sums[t][v];
      results[p][v] = make_float4(s[0][at], s[0][at + 1], s[1][at], s[1][at + 1]);
    });
  }

 private:
  // Calls body(p, v, t, at) for where the tensor cores' sums have the results: from place `at` on in two fragments of
  // tile t.
  template <typename Body>
  __device__ static __forceinline__ void for_places(const Body& body) {
#pragma unroll
    for (int p = 0; p < kPixels; ++p) {
#pragma unroll
      for (int v = 0; v < kVectors; ++v) body(p, v, p / 2, p % 2 * 2);
    }
  }
};

// Sets a lane's results to 0.
template <int kPixels, int kVectors>
__device__ __forceinline__ void clear(float4 (&results)[kPixels][kVectors]) {
#pragma unroll
  for (int p = 0; p < kPixels; ++p) {
#pragma unroll
    for (int v = 0; v < kVectors; ++v) results[p][v] = splat(0);
  }
}

// results = stage * weights
template <typename Product>
__device__ __forceinline__ void multiply(const Product& product, const void* stage, const void* weights,
                                         float4 (&results)[Product::kPixels][Product::kVectors]) {
  clear(results);
  product.accumulate(stage, weights, results);
}

// Four channels of a pixel.
template <bool half>
__device__ __forceinline__ float4 load_four(const unsigned char* from) {
  if constexpr (half) {
    const auto bits = *reinterpret_cast<const uint2*>(from);
    const float2 low = Elements<true, 2>::value(bits.x), high = Elements<true, 2>::value(bits.y);
    return make_float4(low.x, low.y, high.x, high.y);
  } else {
    return *reinterpret_cast<const float4*>(from);
  }
}
// Four channels of a result to memory where it `exists`; gives what is stored there.
template <bool half>
__device__ __forceinline__ float4 store_four(unsigned char* to, float4 value, bool exists) {
  if constexpr (half) {
    const uint2 bits = make_uint2(to_bfloat16_pair(value.x, value.y), to_bfloat16_pair(value.z, value.w));
    if (exists) *reinterpret_cast<uint2*>(to) = bits;
    return make_float4(__uint_as_float(bits.x << 16), __uint_as_float(bits.x & 0xffff0000u),
                       __uint_as_float(bits.y << 16), __uint_as_float(bits.y & 0xffff0000u));
  } else {
    if (exists) *reinterpret_cast<float4*>(to) = value;
    return value;
  }
}

// Where a lane's results of a unit go in a tensor of the outputs' shape, batch after batch.
template <typename Product, typename Motion, int kChannels, bool half>
class ResultPlaces {
  using Shape = WarpShape<kChannels>;
  static constexpr int kElementBytes = half ? 2 : 4, kPixelBytes = kChannels * kElementBytes;
  static constexpr int kStep = Motion::kOutStep;

 public:
  // The product is a copy: gcc warns of a reference to one that has no members.
  __device__ ResultPlaces(Product product, const Cut& cut, const Unit& unit, const Extent& extent, void* data) {
    const int own_row = product.base() / Shape::kColumns, own_column = product.base() % Shape::kColumns;
    const int64_t row = int64_t{unit.image} * cut.out_height + (unit.top + own_row) * kStep + unit.row_parity;
    const int64_t pixel = row * cut.out_width + (unit.left + own_column) * kStep + unit.column_parity;
    to_ = static_cast<unsigned char*>(data) + pixel * kPixelBytes + product.channel(0) * kElementBytes;
    pitch_ = cut.out_width * kStep * kPixelBytes;
    rows_left_ = extent.rows - own_row;
    columns_left_ = extent.columns - own_column;
  }
  // Stores vector v of result p of the batch that begins with row `first`, where there is such a pixel; gives what is
  // stored.
  __device__ __forceinline__ float4 store(int p, int v, float4 value, int first) const {
    const int row = Product::offset(p) / Shape::kColumns, column = Product::offset(p) % Shape::kColumns;
    return store_four<half>(to_ + row * pitch_ + column * kStep * kPixelBytes + v * 16 * kElementBytes, value,
                            exists(p, first));
  }
  __device__ __forceinline__ bool exists(int p, int first) const {
    const int row = Product::offset(p) / Shape::kColumns, column = Product::offset(p) % Shape::kColumns;
    return first + row < rows_left_ && column < columns_left_;
  }
  __device__ __forceinline__ void next_batch() { to_ += kBatchRows * pitch_; }

 private:
  unsigned char* to_;
  int pitch_, rows_left_, columns_left_;
};

}  // namespace dartsmith::cuda::sliding
