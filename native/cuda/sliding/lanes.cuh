// How warps slide: a unit of work is a warp, which goes down the rows of a strip of an image. A lane owns four columns
// side by side of two channels; as many lanes as there are pairs of channels make a pixel, so that a warp has all
// channels of a group of columns. Windows whose taps lie two pixels apart see an image as up to four images of every
// second row and column (`parity`), on which they are windows of neighbours.
#pragma once
#include "cuda/moments.cuh"
#include "cuda/sliding/tensor_core.cuh"
#include "cuda/task.cuh"

namespace dartsmith::cuda::sliding {

inline constexpr int kUnits = 4;  // warps of a block, each a unit of one member
inline constexpr int kBlockThreads = kUnits * kLanes;
inline constexpr int kQuadColumns = 4;  // of a lane
inline constexpr int kBatchRows = 4;    // of outputs that a product takes at once

// What starts a kernel.
template <typename Argument>
struct KernelStart {
  KernelOf<Argument> kernel;
  size_t shared_bytes;
};

// Of this thread.
__device__ __forceinline__ int lane_number() {
  return static_cast<int>(threadIdx.x) % kLanes;
}
__device__ __forceinline__ int warp_number() {
  return static_cast<int>(threadIdx.x) / kLanes;
}

// Of what a launch takes together, each from its `first_block` on, the one that this block works on.
template <typename Item>
__device__ __forceinline__ const Item& own_item(const Item* items, int count) {
  int own = 0;
  while (own + 1 < count && blockIdx.x >= items[own + 1].first_block) ++own;
  return items[own];
}

// The channels that a kernel is compiled for; with 0 it takes any and knows them when it runs.
template <int kCount>
struct Channels {
  __host__ __device__ Channels() {}
  __host__ __device__ explicit Channels(int64_t) {}
  __host__ __device__ constexpr operator int() const { return kCount; }
};
template <>
struct Channels<0> {
  int count;
  __host__ __device__ explicit Channels(int64_t count) : count(static_cast<int>(count)) {}
  __host__ __device__ operator int() const { return count; }
};

// Where a lane is: its first channel, and its first column within a unit's.
struct LanePlace {
  int channel, column;
};

// How many channels a kernel is compiled for follow the layout of its warps.
template <int kChannels>
struct WarpShape {
  static_assert(kChannels == 16 || kChannels == 32 || kChannels == 64);
  static constexpr int kPairs = kChannels / 2;
  static constexpr int kColumns = kLanes / kPairs * kQuadColumns;  // of a group: 16, 8, 4
  static constexpr int kPixels = kColumns * kBatchRows;            // of a batch: 64, 32, 16
  __device__ static __forceinline__ LanePlace own_place() {
    return {lane_number() % kPairs * 2, lane_number() / kPairs * kQuadColumns};
  }
};

// How a window moves over the images of a member, all known when it is compiled: `stride` from output to output on the
// image that it sees, whose pixels lie `in_step` apart in the input and `out_step` in the output.
template <int kStrideValue, int kInStepValue, int kOutStepValue>
struct Motion {
  static constexpr int kStride = kStrideValue, kInStep = kInStepValue, kOutStep = kOutStepValue;
};
enum class MotionKind { kPlain, kStrided, kDilated, kStridedDilated };

// Calls body(motion) for a kind known when running.
template <typename Body>
__device__ __forceinline__ void with_motion(MotionKind kind, const Body& body) {
  switch (kind) {
    case MotionKind::kPlain:
      return body(Motion<1, 1, 1>{});
    case MotionKind::kStrided:
      return body(Motion<2, 1, 1>{});
    case MotionKind::kDilated:
      return body(Motion<1, 2, 2>{});
    case MotionKind::kStridedDilated:
      return body(Motion<1, 2, 1>{});
  }
}

// How the outputs of a member are cut into units. Follows from sizes alone, never from the device.
struct Cut {
  int in_height, in_width, out_height, out_width;
  int parities;  // images of outputs in one: 1, or 4 where they lie two apart
  int rows;      // of a strip
  int strips, groups;

  Cut() = default;
  Cut(const Tensor& input, const Tensor& output, MotionKind kind, int columns, int strip_rows)
      : in_height(static_cast<int>(input.height)),
        in_width(static_cast<int>(input.width)),
        out_height(static_cast<int>(output.height)),
        out_width(static_cast<int>(output.width)),
        parities(kind == MotionKind::kDilated ? 4 : 1),
        rows(strip_rows) {
    strips = static_cast<int>(divide_up(divide_up(out_height, out_step()), rows));
    groups = static_cast<int>(divide_up(divide_up(out_width, out_step()), columns));
  }
  __host__ __device__ int out_step() const { return parities == 4 ? 2 : 1; }
  __host__ __device__ int units_an_image() const { return parities * strips * groups; }
};

// A unit's place.
struct Unit {
  Index image;
  int row_parity, column_parity;
  int top, left;  // of its outputs, on the image of one parity

  __device__ Unit(const Cut& cut, Index unit, int columns) {
    const Index an_image = static_cast<Index>(cut.units_an_image());
    image = unit / an_image;
    int rest = static_cast<int>(unit - image * an_image);
    left = rest % cut.groups * columns;
    rest /= cut.groups;
    top = rest % cut.strips * cut.rows;
    rest /= cut.strips;
    row_parity = rest >> 1;
    column_parity = rest & 1;
  }
};

// What is left of an image's rows or columns, every `step`-th from `parity` on.
__host__ __device__ constexpr int every(int size, int step, int parity) {
  return (size - parity + step - 1) / step;
}

// Outputs of a unit that lie within the image: none where an image of one parity has fewer than the others.
struct Extent {
  int rows, columns;
  __device__ Extent(const Cut& cut, const Unit& unit, int group_columns)
      : rows(limited(every(cut.out_height, cut.out_step(), unit.row_parity) - unit.top, cut.rows)),
        columns(limited(every(cut.out_width, cut.out_step(), unit.column_parity) - unit.left, group_columns)) {}
  __device__ int pixels() const { return rows * columns; }

 private:
  __device__ static int limited(int size, int most) { return size < 0 ? 0 : size < most ? size : most; }
};

// A separable whose outputs are cut into units.
struct SlidingMember {
  Cut cut;
  MotionKind motion;
  const void* input;
  Reading reading;
  const float* depthwise;  // [taps, C]
  const float* pointwise;  // [C, C]
  Index units, blocks, first_block;
};

// One or two channels of a pixel as they lie in memory.
template <bool half, int count>
struct Elements;
template <>
struct Elements<false, 1> {
  using Bits = float;
  using Value = float;
  __device__ static __forceinline__ Value value(Bits bits) { return bits; }
  __device__ static __forceinline__ Bits bits(Value value) { return value; }
};
template <>
struct Elements<true, 1> {
  using Bits = uint16_t;
  using Value = float;
  __device__ static __forceinline__ Value value(Bits bits) { return from_bfloat16(bits); }
  __device__ static __forceinline__ Bits bits(Value value) { return to_bfloat16(value); }
};
template <>
struct Elements<false, 2> {
  using Bits = float2;
  using Value = float2;
  __device__ static __forceinline__ Value value(Bits bits) { return bits; }
};
template <>
struct Elements<true, 2> {
  using Bits = unsigned;
  using Value = float2;
  __device__ static __forceinline__ Value value(Bits bits) {
    return make_float2(__uint_as_float(bits << 16), __uint_as_float(bits & 0xffff0000u));
  }
};

// The larger of two values; NaN wins over everything.
__device__ __forceinline__ float larger_of(float a, float b) {
#ifdef DARTSMITH_SIMT
  return a > b || a != a ? a : b;
#else
  float result;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(result) : "f"(a), "f"(b));
  return result;
#endif
}
__device__ __forceinline__ float2 larger_of(float2 a, float2 b) {
  return make_float2(larger_of(a.x, b.x), larger_of(a.y, b.y));
}

// How an input is read: normalised and moved as its link says, then relu. Mean, factor and shift lie in shared memory:
// a lane reads those of its channels every row, since registers are what it is short of. This brings those of channels
// [first, first + count) that there are to `shared` [3, count], by the whole block.
__device__ inline void load_activation(const Reading& reading, int channels, int first, int count, float* shared) {
  for (int i = static_cast<int>(threadIdx.x); i < count && first + i < channels; i += kBlockThreads) {
    const int c = first + i;
    const bool normalised = reading.statistics != nullptr;
    const float factor = normalised ? reading.statistics[channels + c] : 1.0f;
    shared[i] = normalised ? reading.statistics[c] : 0.0f;
    shared[count + i] = reading.scale == nullptr ? factor : factor * reading.scale[c];
    shared[2 * count + i] = reading.shift == nullptr ? 0.0f : reading.shift[c];
  }
}

// Floats of that.
__host__ __device__ constexpr int64_t activation_floats(int count) {
  return int64_t{3} * count;
}

// Of two channels, where all lie in shared memory.
template <int kChannels>
struct Activation {
  float2 mean, factor, shift;

  __device__ Activation(const float* shared, int channel, Channels<kChannels> channels) {
    const auto* two = reinterpret_cast<const float2*>(shared + channel);
    mean = two[0];
    factor = two[channels / 2];
    shift = two[channels];
  }
  __device__ __forceinline__ float2 operator()(float2 x) const {
    const float2 value = fused(x - mean, factor, shift);
    return make_float2(larger_of(value.x, 0.0f), larger_of(value.y, 0.0f));
  }
};
// Of one channel, from the place of its mean on.
template <int kPitch>
struct SingleActivation {
  float mean, factor, shift;
  __device__ explicit SingleActivation(const float* shared)
      : mean(shared[0]), factor(shared[kPitch]), shift(shared[2 * kPitch]) {}
  __device__ __forceinline__ float operator()(float x) const { return larger_of(fmaf(x - mean, factor, shift), 0.0f); }
};

// The columns [first, first + kCount) of a tensor's rows that a lane reads: of every kStep-th pixel `kOwn` channels.
// Which columns lie outside the image is found once a unit.
template <int kCount, int kStep, int kChannels, bool half, int kOwn = 2>
class RowReader {
  using Own = Elements<half, kOwn>;
  static constexpr int kElementBytes = half ? 2 : 4;

 public:
  using Bits = typename Own::Bits;

  // `pixel` is the one of the first column in the row to begin with, be it outside; `columns` those of the image.
  __device__ RowReader(const void* data, int64_t pixel, int row_pixels, int channel, int first, int columns,
                       Channels<kChannels> channels)
      : row_(static_cast<const unsigned char*>(data) + (pixel * channels + channel) * kElementBytes),
        pitch_(row_pixels * channels * kElementBytes),
        channels_(channels) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      if (first + i >= 0 && first + i < columns) inside_ |= 1u << i;
    }
  }
  // The row, zeros where it is not `inside` the image; then on to the next.
  __device__ __forceinline__ void take(bool inside, Bits (&bits)[kCount]) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      bits[i] = Bits{};
      if (inside && has(i)) bits[i] = *reinterpret_cast<const Bits*>(row_ + i * kStep * channels_ * kElementBytes);
    }
    row_ += pitch_;
  }
  __device__ __forceinline__ bool has(int i) const {
    return (inside_ >> i & 1) != 0;
  }

 private:
  const unsigned char* row_;
  int pitch_;  // bytes
  unsigned inside_ = 0;
  [[no_unique_address]] Channels<kChannels> channels_;
};

}  // namespace dartsmith::cuda::sliding
