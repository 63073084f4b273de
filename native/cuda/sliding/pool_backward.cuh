// The way back through poolings of 3 x 3 by warps that slide down the rows of windows: what each window chose or
// averaged is found again from three rows of the input, its members' gradients are joined, and the windows' shares are
// added to three rows of sums, of which as many are finished a turn as the stride says. A lane has four columns of one
// channel.
#pragma once
#include "cuda/sliding/square.cuh"

namespace dartsmith::cuda::sliding {

inline constexpr int kPoolTargets = 16;  // of a launch

// Gradients of one pooling's outputs, which are joined before they flow back.
struct PooledGradients {
  int members;  // 0 for none
  const void* gradients[kMembers];
  const float* maps[kMembers];  // A, B, D [3, C]; null for a gradient as it is
};

struct PoolTarget {
  const void* x;
  void* target;
  bool accumulate, count_include_pad;
  int height, width;
  int windows_down, windows_across;
  int rows, strips, groups;
  PooledGradients poolings[2];  // average, maximum
  Index units, first_block;
};

struct alignas(16) PoolPhase {
  int count = 0;
  PoolTarget targets[kPoolTargets];
};

template <int kStride, int kChannels, bool half>
class PoolUnit {
  static_assert(kStride == 1 || kStride == 2);
  static constexpr int kOwn = kChannels < kLanes ? kChannels : kLanes;
  // Windows that touch four columns, and the columns that they cover, the first of which lies so many before the four.
  static constexpr int kWindows = kStride == 1 ? 6 : 3;
  static constexpr int kSpan = (kWindows - 1) * kStride + 3, kBefore = 3 - kStride;
  static constexpr int kOldRows = 3 - kStride;  // that two rows of windows share
  static constexpr int kElementBytes = half ? 2 : 4, kPixelBytes = kChannels * kElementBytes;
  using Own = Elements<half, 1>;
  using Bits = typename Own::Bits;
  using Reader = RowReader<kSpan, 1, kChannels, half, 1>;

 public:
  static constexpr int kParts = kChannels / kOwn;  // units that share the channels
  static constexpr int kColumns = kLanes / kOwn * kQuadColumns;

  __device__ PoolUnit(const PoolTarget& t, Index unit, const float* reciprocals) : t_(t), reciprocals_(reciprocals) {
    const int lane = lane_number();
    channel_ = static_cast<int>(unit % kParts) * kOwn + lane % kOwn;
    Index rest = unit / kParts;
    left_ = static_cast<int>(rest % t.groups) * kColumns + lane / kOwn * kQuadColumns;
    rest /= t.groups;
    top_ = static_cast<int>(rest % t.strips) * t.rows;
    image_ = rest / t.strips;
#pragma unroll
    for (int i = 0; i < 3; ++i) {
#pragma unroll
      for (int c = 0; c < kSpan; ++c) x_[i][c] = 0;
#pragma unroll
      for (int c = 0; c < kQuadColumns; ++c) sums_[i][c] = 0;
    }
  }

  __device__ __forceinline__ void run() {
    // Rows of windows around rows of the input, kStride apart.
    const int end = smaller_of(top_ + t_.rows, t_.height);
    const int first = top_ == 0 ? 0 : top_ / kStride - kOldRows / 2, last = end / kStride;
    int next = first * kStride - 1;  // row of the input that is read
    Reader reader(t_.x, pixel(next, left_ - kBefore), t_.width, channel_, left_ - kBefore, t_.width, {});
    const auto read = [&](Bits(&bits)[kSpan]) {
      reader.take(static_cast<unsigned>(next) < static_cast<unsigned>(t_.height), bits);
      ++next;
    };
    Bits bits[kStride][kSpan];
#pragma unroll
    for (int i = 0; i < kOldRows; ++i) {
      read(bits[0]);
      keep(kStride + i, bits[0]);
    }
#pragma unroll
    for (int i = 0; i < kStride; ++i) read(bits[i]);
#pragma unroll 1
    for (int window = first; window <= last; ++window) {
#pragma unroll
      for (int i = 0; i < kOldRows; ++i) {
#pragma unroll
        for (int c = 0; c < kSpan; ++c) x_[i][c] = x_[i + kStride][c];
      }
#pragma unroll
      for (int i = 0; i < kStride; ++i) keep(kOldRows + i, bits[i]);
#pragma unroll
      for (int i = 0; i < kStride; ++i) read(bits[i]);
      if (window < t_.windows_down) add_windows(reader, window);
#pragma unroll
      for (int i = 0; i < kStride; ++i) {
        const int finished = window * kStride - 1 + i;
        if (finished >= top_ && finished < end) store(finished, sums_[i]);
      }
#pragma unroll
      for (int c = 0; c < kQuadColumns; ++c) {
#pragma unroll
        for (int i = 0; i < 3; ++i) sums_[i][c] = i < kOldRows ? sums_[i + kStride][c] : 0.0f;
      }
    }
  }

 private:
  __device__ static __forceinline__ int smaller_of(int a, int b) {
    return a < b ? a : b;
  }
  __device__ __forceinline__ int64_t pixel(int row, int column) const {
    return (int64_t{image_} * t_.height + row) * t_.width + column;
  }
  __device__ __forceinline__ void keep(int row, const Bits (&bits)[kSpan]) {
#pragma unroll
    for (int c = 0; c < kSpan; ++c) x_[row][c] = Own::value(bits[c]);
  }
  // Of the windows' columns.
  __device__ __forceinline__ int first_window() const {
    return left_ / kStride - (kStride == 1 ? 1 : 0);
  }
  __device__ __forceinline__ bool has_window(int w) const {
    return static_cast<unsigned>(first_window() + w) < static_cast<unsigned>(t_.windows_across);
  }

  // A row of windows: what it adds to the rows of the input around it.
  __device__ __forceinline__ void add_windows(const Reader& reader, int row) {
    const bool above = row > 0, below = row * kStride + 1 < t_.height;
    float shares[kWindows], values[kWindows];
    if (t_.poolings[0].members > 0) {
      const int rows = 1 + (above ? 1 : 0) + (below ? 1 : 0);
      float reciprocal[kWindows];
#pragma unroll
      for (int w = 0; w < kWindows; ++w) {
        const int at = w * kStride;
        const int columns = (reader.has(at) ? 1 : 0) + (reader.has(at + 1) ? 1 : 0) + (reader.has(at + 2) ? 1 : 0);
        reciprocal[w] = reciprocals_[t_.count_include_pad ? 9 : rows * columns];
        float sum = 0;
#pragma unroll
        for (int k = at; k < at + 3; ++k) sum += (above ? x_[0][k] : 0) + x_[1][k] + (below ? x_[2][k] : 0);
        values[w] = sum * reciprocal[w];
      }
      join(t_.poolings[0], row, values, shares);
#pragma unroll
      for (int w = 0; w < kWindows; ++w) shares[w] *= reciprocal[w];
#pragma unroll
      for (int c = 0; c < kQuadColumns; ++c) {
        float sum = 0;
#pragma unroll
        for (int w = 0; w < kWindows; ++w) {
          const int tap = c + kBefore - w * kStride;
          if (tap >= 0 && tap < 3) sum += shares[w];
        }
#pragma unroll
        for (int i = 0; i < 3; ++i) sums_[i][c] += sum;
      }
    }
    if (t_.poolings[1].members == 0) return;
#pragma unroll
    for (int w = 0; w < kWindows; ++w) {
      float largest = -INFINITY;
#pragma unroll
      for (int k = w * kStride; k < w * kStride + 3; ++k) {
        if (!reader.has(k)) continue;
        if (above) largest = larger_of(largest, x_[0][k]);
        largest = larger_of(largest, x_[1][k]);
        if (below) largest = larger_of(largest, x_[2][k]);
      }
      values[w] = largest;
    }
    join(t_.poolings[1], row, values, shares);
    // To the first largest element of each, in row order; to none where a NaN is the largest.
#pragma unroll
    for (int w = 0; w < kWindows; ++w) {
      bool open = true;
#pragma unroll
      for (int i = 0; i < 3; ++i) {
        const bool exists = i == 0 ? above : i == 2 ? below : true;
#pragma unroll
        for (int k = w * kStride; k < w * kStride + 3; ++k) {
          const bool chosen = open && exists && reader.has(k) && x_[i][k] == values[w];
          const int c = k - kBefore;
          if (c >= 0 && c < kQuadColumns) sums_[i][c] += chosen ? shares[w] : 0.0f;
          open = open && !chosen;
        }
      }
    }
  }

  // The sum over members of A g + B y + D, 0 for windows that are not there.
  __device__ __forceinline__ void join(const PooledGradients& pooling, int row, const float (&values)[kWindows],
                                       float (&shares)[kWindows]) const {
#pragma unroll
    for (int w = 0; w < kWindows; ++w) shares[w] = 0;
    const int64_t first = (int64_t{image_} * t_.windows_down + row) * t_.windows_across + first_window();
    const int64_t offset = (first * kChannels + channel_) * kElementBytes;
#pragma unroll 1
    for (int m = 0; m < pooling.members; ++m) {
      const auto* from = static_cast<const unsigned char*>(pooling.gradients[m]) + offset;
      const float* map = pooling.maps[m];
      const float a = map == nullptr ? 1.0f : map[channel_], b = map == nullptr ? 0.0f : map[kChannels + channel_];
      const float d = map == nullptr ? 0.0f : map[2 * kChannels + channel_];
#pragma unroll
      for (int w = 0; w < kWindows; ++w) {
        if (!has_window(w)) continue;
        const float g = Own::value(*reinterpret_cast<const Bits*>(from + w * kPixelBytes));
        // A gradient as it is stays so where the value is infinite.
        shares[w] += map == nullptr ? g : fmaf(a, g, fmaf(b, values[w], d));
      }
    }
  }

  __device__ __forceinline__ void store(int row, const float (&sums)[kQuadColumns]) const {
    auto* to = static_cast<unsigned char*>(t_.target) + (pixel(row, left_) * kChannels + channel_) * kElementBytes;
#pragma unroll
    for (int c = 0; c < kQuadColumns; ++c) {
      if (left_ + c >= t_.width) continue;
      auto* target = reinterpret_cast<Bits*>(to + c * kPixelBytes);
      *target = Own::bits(t_.accumulate ? Own::value(*target) + sums[c] : sums[c]);
    }
  }

  const PoolTarget& t_;
  const float* reciprocals_;
  Index image_;
  int channel_, left_, top_;
  float x_[3][kSpan], sums_[3][kQuadColumns];
};

template <int kStride, int kChannels, bool half>
__global__ void __launch_bounds__(kBlockThreads, 5) pool_backward_kernel(DARTSMITH_ARGUMENT(PoolPhase) phase) {
  begin_kernel();
  Shared shared(shared_memory());
  auto* reciprocals = shared.take<float>(kReciprocals);
  load_reciprocals(reciprocals);
  __syncthreads();
  const PoolTarget& target = own_item(phase.targets, phase.count);
  const Index unit = (blockIdx.x - target.first_block) * kUnits + threadIdx.x / kLanes;
  if (unit < target.units) PoolUnit<kStride, kChannels, half>(target, unit, reciprocals).run();
}

}  // namespace dartsmith::cuda::sliding
