// The depthwise window as it slides: rows of sums in registers, of which one is finished a turn. Each input row is
// loaded, normalised and activated once, and added to all sums that it belongs to; the first tap of a row of sums takes
// the row above as its addend, so that the ring turns without moves.
#pragma once
#include "cuda/sliding/lanes.cuh"

namespace dartsmith::cuda::sliding {

template <int kKernel, int kStride>
class Ring {
  static constexpr int kBefore = kKernel / 2;  // rows of input before that of the output
  static constexpr int kRows = kStride == 1 ? kKernel : (kKernel + 1) / 2;

 public:
  static constexpr int kSpan = (kQuadColumns - 1) * kStride + kKernel;  // columns of input that four outputs need
  // A turn takes input rows kStride * t and on, and finishes output row t - kLag; the first that an output needs is
  // that of kLead turns before its own number.
  static constexpr int kLag = kStride == 1 ? kBefore : kBefore - 1;
  static constexpr int kLead = kStride == 1 ? kBefore : 1;

  __device__ Ring(const float* weights, int channel, int channels) {
#pragma unroll
    for (int tap = 0; tap < kKernel * kKernel; ++tap) {
      weights_[tap] = make_float2(weights[tap * channels + channel], weights[tap * channels + channel + 1]);
    }
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
      for (int c = 0; c < kQuadColumns; ++c) {
        const float2* v = values + c * kStride;
        const float2* w = weights_ + ky * kKernel;
        if (!first) {
          sums_[j][c] = fused(w[0], v[0], sums_[j][c]);
        } else if (j + 1 < kRows) {
          sums_[j][c] = fused(w[0], v[0], sums_[j + 1][c]);
        } else {
          sums_[j][c] = w[0] * v[0];
        }
#pragma unroll
        for (int kx = 1; kx < kKernel; ++kx) sums_[j][c] = fused(w[kx], v[kx], sums_[j][c]);
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
  float2 weights_[kKernel * kKernel];
  float2 sums_[kRows][kQuadColumns];
};

// `activation` is that of the input, in shared memory. Calls emit(row, sums) for the unit's rows of depthwise outputs
// of a lane's two channels.
template <int kKernel, typename Motion, int kChannels, bool half, typename Emit>
__device__ __forceinline__ void slide(const Cut& cut, const Unit& unit, int rows, const void* input,
                                      const float* activation, const float* weights, const Emit& emit) {
  using R = Ring<kKernel, Motion::kStride>;
  using Shape = WarpShape<kChannels>;
  constexpr int kStride = Motion::kStride, kStep = Motion::kInStep;
  const int lane = static_cast<int>(threadIdx.x) % kLanes, channel = lane % Shape::kPairs * 2;
  const int row_parity = Motion::kOutStep == 2 ? unit.row_parity : 0;
  const int column_parity = Motion::kOutStep == 2 ? unit.column_parity : 0;
  const int in_rows = every(cut.in_height, kStep, row_parity);
  const int in_columns = every(cut.in_width, kStep, column_parity);
  const int first_column = (unit.left + lane / Shape::kPairs * kQuadColumns) * kStride - kKernel / 2;
  const int first_turn = unit.top > R::kLead ? unit.top - R::kLead : 0;
  const int first_row = first_turn * kStride, end_turn = unit.top + rows + R::kLag;
  const int64_t pixel = (int64_t{unit.image} * cut.in_height + row_parity + first_row * kStep) * cut.in_width +
                        column_parity + first_column * kStep;
  RowReader<R::kSpan, kStep, kChannels, half> reader(input, pixel, cut.in_width * kStep, channel, first_column,
                                                     in_columns);
  R ring(weights, channel, kChannels);
  typename Pair<half>::Bits bits[R::kSpan];
  reader.take(first_row < in_rows, bits);
#pragma unroll 1
  for (int turn = first_turn; turn < end_turn; ++turn) {
    if (turn * kStride < in_rows) {
      float2 values[R::kSpan];
      const auto take_row = [&](int row) {
        const Activation<kChannels> activate(activation, channel);
#pragma unroll
        for (int i = 0; i < R::kSpan; ++i) {
          values[i] = row < in_rows && reader.has(i) ? activate(Pair<half>::value(bits[i])) : make_float2(0, 0);
        }
        reader.take(row + 1 < in_rows && row + 1 < end_turn * kStride, bits);  // the next, before this one is used
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
    const int row = turn - R::kLag - unit.top;
    if (row >= 0) emit(row, ring.finished());
  }
}

}  // namespace dartsmith::cuda::sliding
