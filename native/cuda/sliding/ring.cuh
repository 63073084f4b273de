// The depthwise window as it slides: rows of sums in registers, of which one is finished a turn. Each input row is
// loaded, normalised and activated once, and added to all sums that it belongs to; the first tap of a row of sums takes
// the row above as its addend, so that the ring turns without moves.
#pragma once
#include "cuda/sliding/lanes.cuh"

namespace dartsmith::cuda::sliding {

// Where a lane's depthwise weights are: in registers, or in shared memory where other things need those more.
template <int kKernel, int kChannels>
class WeightsInRegisters {
 public:
  __device__ WeightsInRegisters(const float* weights, int channel, Channels<kChannels> channels) {
#pragma unroll
    for (int tap = 0; tap < kKernel * kKernel; ++tap) {
      weights_[tap] = make_float2(weights[tap * channels + channel], weights[tap * channels + channel + 1]);
    }
  }
  __device__ __forceinline__ float2 operator[](int tap) const {
    return weights_[tap];
  }

 private:
  float2 weights_[kKernel * kKernel];
};
template <int kKernel, int kChannels>
class WeightsInShared {
 public:
  static constexpr int64_t kFloats = int64_t{kKernel} * kKernel * kChannels;
  // By the whole block.
  __device__ static void load(const float* weights, float* shared) {
    for (int i = static_cast<int>(threadIdx.x); i < kFloats; i += kBlockThreads) shared[i] = weights[i];
  }
  __device__ WeightsInShared(const float* shared, int channel)
      : weights_(reinterpret_cast<const float2*>(shared + channel)) {}
  __device__ __forceinline__ float2 operator[](int tap) const { return weights_[tap * kChannels / 2]; }

 private:
  const float2* weights_;
};

template <int kKernel, int kStride, typename Weights>
class Ring {
  static constexpr int kBefore = kKernel / 2;  // rows of input before that of the output
  static constexpr int kRows = kStride == 1 ? kKernel : (kKernel + 1) / 2;

 public:
  static constexpr int kSpan = (kQuadColumns - 1) * kStride + kKernel;  // columns of input that four outputs need
  // A turn takes input rows kStride * t and on, and finishes output row t - kLag; the first that an output needs is
  // that of kLead turns before its own number.
  static constexpr int kLag = kStride == 1 ? kBefore : kBefore - 1;
  static constexpr int kLead = kStride == 1 ? kBefore : 1;

  __device__ explicit Ring(const Weights& weights) : weights_(weights) {
#pragma unroll
    for (int j = 0; j < kRows; ++j) {
#pragma unroll
      for (int c = 0; c < kQuadColumns; ++c) sums_[j][c] = make_float2(0, 0);
    }
  }

  // Adds the row'th input row of a turn.
  template <int row>
  __device__ __forceinline__ void add(const float2 (&values)[kSpan]) {
#pragma unroll
    for (int j = 0; j < kRows; ++j) {
      const int ky = tap_row(j, row);
      if (ky < 0 || ky >= kKernel) continue;
      const bool first = row == 0 || tap_row(j, 0) < 0;
#pragma unroll
      for (int kx = 0; kx < kKernel; ++kx) {
        const float2 weight = weights_[ky * kKernel + kx];
#pragma unroll
        for (int c = 0; c < kQuadColumns; ++c) {
          const float2 value = values[c * kStride + kx];
          if (kx > 0 || !first) {
            sums_[j][c] = fused(weight, value, sums_[j][c]);
          } else if (j + 1 < kRows) {
            sums_[j][c] = fused(weight, value, sums_[j + 1][c]);
          } else {
            sums_[j][c] = weight * value;
          }
        }
      }
    }
  }
  // A turn whose rows lie below the image.
  __device__ __forceinline__ void skip() {
#pragma unroll
    for (int j = 0; j < kRows; ++j) {
#pragma unroll
      for (int c = 0; c < kQuadColumns; ++c) {
        if (j + 1 < kRows)
          sums_[j][c] = sums_[j + 1][c];
        else
          sums_[j][c] = make_float2(0, 0);
      }
    }
  }
  __device__ __forceinline__ const float2 (&finished() const)[kQuadColumns] {
    return sums_[0];
  }

 private:
  // Of the kernel: which row of taps meets a turn's input row for sums j.
  static constexpr int tap_row(int j, int row) {
    return kStride == 1 ? kKernel - 1 - j : 2 * (kRows - 2 - j) + kBefore + row;
  }
  Weights weights_;
  float2 sums_[kRows][kQuadColumns];
};

// Where a unit reads its input; what `exists` not has rows that are all outside.
template <int kChannels>
struct SlideInput {
  const void* data;
  const float* activation;  // shared, see Activation
  Channels<kChannels> channels;
  bool exists = true;
};

// Calls ask(row), then emit(row, sums) for `rows` rows of a unit's depthwise outputs of a lane's two channels; between
// the two calls the window is computed.
template <int kKernel, typename Motion, int kChannels, bool half, typename Weights, typename Ask, typename Emit>
__device__ __forceinline__ void slide(const Cut& cut, const Unit& unit, const LanePlace& place, int rows,
                                      const SlideInput<kChannels>& input, const Weights& weights, const Ask& ask,
                                      const Emit& emit) {
  using R = Ring<kKernel, Motion::kStride, Weights>;
  constexpr int kStride = Motion::kStride, kStep = Motion::kInStep;
  const int row_parity = Motion::kOutStep == 2 ? unit.row_parity : 0;
  const int column_parity = Motion::kOutStep == 2 ? unit.column_parity : 0;
  const int in_rows = input.exists ? every(cut.in_height, kStep, row_parity) : 0;
  const int in_columns = every(cut.in_width, kStep, column_parity);
  const int first_column = (unit.left + place.column) * kStride - kKernel / 2;
  const int first_turn = unit.top > R::kLead ? unit.top - R::kLead : 0;
  const int first_row = first_turn * kStride, end_turn = unit.top + rows + R::kLag;
  const int64_t pixel = (int64_t{unit.image} * cut.in_height + row_parity + first_row * kStep) * cut.in_width +
                        column_parity + first_column * kStep;
  using Reader = RowReader<R::kSpan, kStep, kChannels, half>;
  Reader reader(input.data, pixel, cut.in_width * kStep, place.channel, first_column, in_columns, input.channels);
  R ring(weights);
  typename Reader::Bits bits[R::kSpan];
  reader.take(first_row < in_rows, bits);
#pragma unroll 1
  for (int turn = first_turn; turn < end_turn; ++turn) {
    const int row = turn - R::kLag - unit.top;
    if (row >= 0) ask(row);
    if (turn * kStride < in_rows) {
      float2 values[R::kSpan];
      const auto take_row = [&](int in_row) {
        const Activation<kChannels> activate(input.activation, place.channel, input.channels);
#pragma unroll
        for (int i = 0; i < R::kSpan; ++i) {
          values[i] =
              in_row < in_rows && reader.has(i) ? activate(Elements<half, 2>::value(bits[i])) : make_float2(0, 0);
        }
        reader.take(in_row + 1 < in_rows && in_row + 1 < end_turn * kStride, bits);  // before this row is used
      };
      take_row(turn * kStride);
      ring.template add<0>(values);
      if constexpr (kStride == 2) {
        take_row(turn * kStride + 1);
        ring.template add<1>(values);
      }
    } else {
      ring.skip();
    }
    if (row >= 0) emit(row, ring.finished());
  }
}

}  // namespace dartsmith::cuda::sliding
