// What kernels are built from: tasks, vectors of four channels, sums in fixed order, shared memory in parts.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>
#include <type_traits>

#include "engine/fail.h"
#include "engine/kernel.h"

namespace dartsmith::cuda {

inline constexpr int kThreads = 256;  // of every block
inline constexpr int kLanes = 32;
inline constexpr int kWarps = kThreads / kLanes;

__host__ __device__ constexpr int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}
__host__ __device__ constexpr int64_t round_up(int64_t a, int64_t b) {
  return divide_up(a, b) * b;
}
__host__ __device__ constexpr int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}
__host__ __device__ constexpr int64_t larger(int64_t a, int64_t b) {
  return a > b ? a : b;
}

// Counts tasks, pixels and vectors of a tensor: 32 bits, since a GPU divides those several times as fast. The host
// refuses what is larger (view_of, launch).
using Index = uint32_t;

// Calls body(task) for this block's tasks.
template <typename Body>
__device__ __forceinline__ void for_tasks(int64_t tasks, const Body& body) {
  for (int64_t task = blockIdx.x; task < tasks; task += gridDim.x) body(static_cast<Index>(task));
}

// Calls body(item) for this thread's share of the items of the whole grid.
template <typename Body>
__device__ __forceinline__ void for_grid(int64_t items, const Body& body) {
  const int64_t step = int64_t{gridDim.x} * kThreads;
  for (int64_t item = int64_t{blockIdx.x} * kThreads + threadIdx.x; item < items; item += step)
    body(static_cast<Index>(item));
}

// Calls body(item) for this warp's share, all lanes together.
template <typename Body>
__device__ __forceinline__ void for_warps(int64_t items, const Body& body) {
  const int64_t step = int64_t{gridDim.x} * kWarps;
  for (int64_t item = int64_t{blockIdx.x} * kWarps + threadIdx.x / kLanes; item < items; item += step)
    body(static_cast<Index>(item));
}

// Calls body(item) for this thread's share of a block's items.
template <typename Body>
__device__ __forceinline__ void for_block(int items, const Body& body) {
  for (int item = static_cast<int>(threadIdx.x); item < items; item += kThreads) body(item);
}

// Nodes of one kind that one launch takes together: each owns a range of tasks.
inline constexpr int kMembers = 16;
template <typename Member>
struct Group {
  int count = 0;
  int64_t tasks = 0;
  Member members[kMembers];

  // Adds a member that has so many tasks; its `first_task` follows.
  void add(const Member& member, int64_t own_tasks) {
    members[count] = member;
    members[count].first_task = tasks;
    tasks += own_tasks;
    ++count;
  }
  __device__ __forceinline__ const Member& owner(Index task) const {
    int m = 0;
    while (m + 1 < count && task >= members[m + 1].first_task) ++m;
    return members[m];
  }
};

// Calls body(member, its task) for this block's tasks.
template <typename Member, typename Body>
__device__ __forceinline__ void for_members(const Group<Member>& group, const Body& body) {
  for_tasks(group.tasks, [&](Index task) {
    const Member& member = group.owner(task);
    body(member, static_cast<Index>(task - member.first_task));
  });
}

// How a kernel takes what it reads from anywhere in a large structure: from constant memory, without a copy of its own.
// KernelOf is the kernel's own type.
#ifdef DARTSMITH_SIMT
#define DARTSMITH_ARGUMENT(Type) const Type&
template <typename Argument>
using KernelOf = void (*)(const Argument&);
#else
#define DARTSMITH_ARGUMENT(Type) const __grid_constant__ Type
template <typename Argument>
using KernelOf = void (*)(Argument);
#endif

// Every kernel's first statement (a test says so). Where kernels start early (CudaStream::starts_early) the blocks of
// the next one may take places that this one leaves free, and this one waits here for what the kernels before it write.
__device__ __forceinline__ void begin_kernel() {
#ifdef DARTSMITH_SIMT
  simt::begin_kernel();
#elif __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// Calls body() in the last block of so many that comes here, which then sees all that the others wrote: who adds up is
// decided by a count, in what order never. `ticket` is 0 before and after; `flag` is shared.
template <typename Body>
__device__ __forceinline__ void by_last_block(unsigned* ticket, unsigned blocks, unsigned* flag, const Body& body) {
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) *flag = atomicAdd(ticket, 1u) + 1 == blocks ? 1 : 0;
  __syncthreads();
  if (*flag == 0) return;
  __threadfence();
  body();
  if (threadIdx.x == 0) *ticket = 0;
}

// --- Two channels

__device__ __forceinline__ float2 fused(float2 a, float2 b, float2 c) {
  return make_float2(fmaf(a.x, b.x, c.x), fmaf(a.y, b.y, c.y));
}
__device__ __forceinline__ float2 operator*(float2 a, float2 b) {
  return make_float2(a.x * b.x, a.y * b.y);
}
__device__ __forceinline__ float2 operator+(float2 a, float2 b) {
  return make_float2(a.x + b.x, a.y + b.y);
}
__device__ __forceinline__ float2 operator-(float2 a, float2 b) {
  return make_float2(a.x - b.x, a.y - b.y);
}

// --- Four channels

__device__ __forceinline__ float4 splat(float value) {
  return make_float4(value, value, value, value);
}
__device__ __forceinline__ float4 operator+(float4 a, float4 b) {
  return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}
__device__ __forceinline__ float4 operator-(float4 a, float4 b) {
  return make_float4(a.x - b.x, a.y - b.y, a.z - b.z, a.w - b.w);
}
__device__ __forceinline__ float4 operator*(float4 a, float4 b) {
  return make_float4(a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w);
}
// a * b + c, rounded once.
__device__ __forceinline__ float4 fused(float4 a, float4 b, float4 c) {
  return make_float4(fmaf(a.x, b.x, c.x), fmaf(a.y, b.y, c.y), fmaf(a.z, b.z, c.z), fmaf(a.w, b.w, c.w));
}
template <typename Map>
__device__ __forceinline__ float4 map4(float4 a, const Map& map) {
  return make_float4(map(a.x), map(a.y), map(a.z), map(a.w));
}
template <typename Map>
__device__ __forceinline__ float4 map4(float4 a, float4 b, const Map& map) {
  return make_float4(map(a.x, b.x), map(a.y, b.y), map(a.z, b.z), map(a.w, b.w));
}
__device__ __forceinline__ float& at(float4& vector, int index) {
  return (&vector.x)[index];
}
// The larger one; NaN stays NaN.
__device__ __forceinline__ float at_least(float value, float least) {
  return value < least ? least : value;
}
__device__ __forceinline__ float relu(float value) {
  return at_least(value, 0);
}
__device__ __forceinline__ float4 relu(float4 value) {
  return map4(value, [](float x) { return relu(x); });
}
// A gradient where the relu of a value let that through.
__device__ __forceinline__ float4 passed(float4 value, float4 gradient) {
  return map4(value, gradient, [](float x, float g) { return x > 0 ? g : 0.0f; });
}

__device__ __forceinline__ uint16_t to_bfloat16(float value) {
  const unsigned bits = __float_as_uint(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);  // NaN stays NaN
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);                  // halves to even
}
__device__ __forceinline__ float from_bfloat16(unsigned bits) {
  return __uint_as_float(bits << 16);
}
__device__ __forceinline__ float rounded(float value, bool half) {
  return half ? from_bfloat16(to_bfloat16(value)) : value;
}

// How four channels of a tensor lie: as a vector of floats or of bfloat16; or a kernel finds out when it runs.
enum class Layout { kFloats, kHalves, kAny };

// [pixels, channels] in device memory, channels contiguous.
struct View {
  void* data = nullptr;
  int channels = 1;
  bool half = false;  // bfloat16

  Layout layout() const { return channels % 4 != 0 ? Layout::kAny : half ? Layout::kHalves : Layout::kFloats; }

  // Channels [channel, channel + 4) of a pixel, 0 past the last; `channel` is a multiple of 4. A kernel that knows the
  // layout has no branch here, so that several loads can be under way at once.
  template <Layout layout = Layout::kAny>
  __device__ __forceinline__ float4 load(Index pixel, int channel) const {
    if constexpr (layout == Layout::kFloats) {
      return static_cast<const float4*>(data)[vector_at(pixel, channel)];
    } else if constexpr (layout == Layout::kHalves) {
      const uint2 bits = static_cast<const uint2*>(data)[vector_at(pixel, channel)];
      return make_float4(from_bfloat16(bits.x & 0xffffu), from_bfloat16(bits.x >> 16), from_bfloat16(bits.y & 0xffffu),
                         from_bfloat16(bits.y >> 16));
    } else {
      if (channels % 4 == 0) {
        return half ? load<Layout::kHalves>(pixel, channel) : load<Layout::kFloats>(pixel, channel);
      }
      const int64_t at = int64_t{pixel} * channels + channel;
      const int left = channels - channel;
      return make_float4(one(at, left > 0), one(at + 1, left > 1), one(at + 2, left > 2), one(at + 3, left > 3));
    }
  }
  template <Layout layout = Layout::kAny>
  __device__ __forceinline__ void store(Index pixel, int channel, float4 value) const {
    if constexpr (layout == Layout::kFloats) {
      static_cast<float4*>(data)[vector_at(pixel, channel)] = value;
    } else if constexpr (layout == Layout::kHalves) {
      static_cast<uint2*>(data)[vector_at(pixel, channel)] =
          make_uint2(to_bfloat16(value.x) | unsigned{to_bfloat16(value.y)} << 16,
                     to_bfloat16(value.z) | unsigned{to_bfloat16(value.w)} << 16);
    } else {
      if (channels % 4 == 0) {
        return half ? store<Layout::kHalves>(pixel, channel, value) : store<Layout::kFloats>(pixel, channel, value);
      }
      const int64_t at = int64_t{pixel} * channels + channel;
      const float values[4] = {value.x, value.y, value.z, value.w};
      for (int i = 0; i < 4 && channel + i < channels; ++i) set(at + i, values[i]);
    }
  }
  template <Layout layout = Layout::kAny>
  __device__ __forceinline__ void add(Index pixel, int channel, float4 value, bool accumulate) const {
    store<layout>(pixel, channel, accumulate ? load<layout>(pixel, channel) + value : value);
  }

  // One element.
  __device__ __forceinline__ float get(int64_t at) const {
    return half ? from_bfloat16(static_cast<const uint16_t*>(data)[at]) : static_cast<const float*>(data)[at];
  }
  __device__ __forceinline__ void set(int64_t at, float value) const {
    if (half) {
      static_cast<uint16_t*>(data)[at] = to_bfloat16(value);
    } else {
      static_cast<float*>(data)[at] = value;
    }
  }
  __device__ __forceinline__ void add(int64_t at, float value, bool accumulate) const {
    set(at, accumulate ? get(at) + value : value);
  }

 private:
  // The host refuses tensors whose vectors 32 bits cannot count.
  __device__ __forceinline__ Index vector_at(Index pixel, int channel) const {
    return pixel * (static_cast<Index>(channels) / 4) + static_cast<Index>(channel) / 4;
  }
  __device__ __forceinline__ float one(int64_t at, bool exists) const { return exists ? get(at) : 0; }
};

// The layout that several tensors share.
inline Layout shared_layout(Layout a, Layout b) {
  return a == b ? a : Layout::kAny;
}

// Throws Error for a tensor that kernels cannot count.
inline View view_of(const Tensor& tensor) {
  const int64_t vectors = tensor.batch * tensor.height * tensor.width * divide_up(tensor.channels, 4);
  if (vectors > INT32_MAX) fail("cuda", "expected a tensor of less than 2^33 elements: use a smaller batch");
  return {tensor.data, static_cast<int>(tensor.channels), tensor.precision == Precision::kBf16};
}
inline View view_of(const float* data, int64_t channels, Precision precision = Precision::kFp32) {
  return {const_cast<float*>(data), static_cast<int>(channels), precision == Precision::kBf16};
}
// Of the gradients of a call's output and of one of its inputs.
inline View output_gradient_of(const KernelCall& call) {
  return view_of(call.output_gradient, call.output.channels, call.gradient_precision);
}
inline View input_gradient_of(const KernelCall& call, int k) {
  const GradientTarget& target = call.input_gradients[k];
  return view_of(target.data, call.inputs[k].channels, target.precision);
}
inline int64_t pixels_of(const Tensor& tensor) {
  return tensor.batch * tensor.height * tensor.width;
}
// Vectors of four channels.
inline int64_t items_of(const Tensor& tensor) {
  return pixels_of(tensor) * divide_up(tensor.channels, 4);
}

// Four of a vector over channels, `missing` past the last or where there is none.
__device__ __forceinline__ float4 channel_values(const float* values, int channel, int channels, float missing = 0) {
  if (values == nullptr) return splat(missing);
  if (channel + 4 <= channels && (reinterpret_cast<uintptr_t>(values + channel) & 15) == 0) {
    return *reinterpret_cast<const float4*>(values + channel);
  }
  float4 result = splat(missing);
  for (int i = 0; i < 4; ++i) {
    if (channel + i < channels) at(result, i) = values[channel + i];
  }
  return result;
}
__device__ __forceinline__ void store_channels(float* values, int channel, int channels, float4 value) {
  for (int i = 0; i < 4; ++i) {
    if (channel + i < channels) values[channel + i] = at(value, i);
  }
}

// --- Sums in fixed order

__device__ __forceinline__ double warp_sum(double value) {
  for (int lanes = kLanes / 2; lanes > 0; lanes /= 2) value += __shfl_xor_sync(0xffffffffu, value, lanes);
  return value;
}

// The block's sum, in every thread; `sums` [kWarps] are shared.
__device__ __forceinline__ double block_sum(double value, double* sums) {
  value = warp_sum(value);
  __syncthreads();
  if (threadIdx.x % kLanes == 0) sums[threadIdx.x / kLanes] = value;
  __syncthreads();
  double sum = 0;
  for (int w = 0; w < kWarps; ++w) sum += sums[w];
  return sum;
}

// Channels that a block works on at once: 16 vectors of 4.
inline constexpr int kChunk = 64;

// How a block's threads lie over a chunk of channels: `vectors` side by side (a power of two), `rows` of pixels.
struct Spread {
  int vectors;
  int rows;
  int vector;  // of this thread
  int row;

  __device__ explicit Spread(int channels, int chunk = kChunk) {
    int bits = 0;
    while (4 << bits < channels && 4 << bits < chunk) ++bits;
    vectors = 1 << bits;
    rows = kThreads >> bits;
    vector = static_cast<int>(threadIdx.x) & (vectors - 1);
    row = static_cast<int>(threadIdx.x) >> bits;
  }
};

// Sum over the rows of a spread, valid in row 0. `scratch`: [kWarps * kChunk / 4].
__device__ inline float4 sum_rows(const Spread& spread, float4 value, float4* scratch) {
  for (int lanes = spread.vectors; lanes < kLanes; lanes *= 2) {
    for (int i = 0; i < 4; ++i) at(value, i) += __shfl_xor_sync(0xffffffffu, at(value, i), lanes);
  }
  const int warp = static_cast<int>(threadIdx.x) / kLanes, lane = static_cast<int>(threadIdx.x) % kLanes;
  __syncthreads();
  if (lane < spread.vectors) scratch[warp * spread.vectors + lane] = value;
  __syncthreads();
  float4 sum = splat(0);
  if (spread.row == 0) {
    for (int w = 0; w < kWarps; ++w) sum = sum + scratch[w * spread.vectors + spread.vector];
  }
  return sum;
}

// Calls body(std::integral_constant) for a precision known when running; gives what the body gives.
template <typename Body>
auto with_precision(Precision precision, const Body& body) {
  switch (precision) {
    case Precision::kFp32:
      return body(std::integral_constant<Precision, Precision::kFp32>{});
    case Precision::kTf32:
      return body(std::integral_constant<Precision, Precision::kTf32>{});
    default:
      return body(std::integral_constant<Precision, Precision::kBf16>{});
  }
}

// The same for a layout.
template <typename Body>
auto with_layout(Layout layout, const Body& body) {
  switch (layout) {
    case Layout::kFloats:
      return body(std::integral_constant<Layout, Layout::kFloats>{});
    case Layout::kHalves:
      return body(std::integral_constant<Layout, Layout::kHalves>{});
    default:
      return body(std::integral_constant<Layout, Layout::kAny>{});
  }
}

// --- Shared memory

// A block's shared memory handed out in parts; without memory, as the host uses it, it only counts. The stand-in leaves
// a zone behind each part that must stay unwritten.
class Shared {
 public:
  __host__ __device__ explicit Shared(unsigned char* memory) : memory_(memory) {}

  template <typename T>
  __host__ __device__ T* take(int64_t count) {
    unsigned char* part = memory_ + bytes_;
    bytes_ += round_up(count * static_cast<int64_t>(sizeof(T)), 16);
#ifdef DARTSMITH_SIMT
    if (memory_ != nullptr) simt::expect_unwritten(memory_ + bytes_, static_cast<size_t>(simt::zone_bytes()));
    bytes_ += simt::zone_bytes();
#endif
#ifdef __CUDA_ARCH__
    return reinterpret_cast<T*>(part);  // without a choice, behind which the compiler sees no shared memory any more
#else
    return memory_ == nullptr ? nullptr : reinterpret_cast<T*>(part);
#endif
  }
  __host__ __device__ size_t bytes() const {
    return static_cast<size_t>(bytes_);
  }

 private:
  unsigned char* memory_;
  int64_t bytes_ = 0;
};

__device__ __forceinline__ unsigned char* shared_memory() {
#ifdef DARTSMITH_SIMT
  return reinterpret_cast<unsigned char*>(simt::current_thread->shared);
#else
  extern __shared__ float4 memory[];
  return reinterpret_cast<unsigned char*>(memory);
#endif
}

// Tells the compiler that a pointer which it lost sight of (in a structure) leads to shared memory: what it loads from
// there takes one instruction without a look at the address.
__device__ __forceinline__ void assume_shared([[maybe_unused]] const void* pointer) {
#ifdef __CUDA_ARCH__
  __builtin_assume(__isShared(pointer));
#endif
}

// Bytes of a kernel's parts, which the constructor of `Parts` takes.
template <typename Parts, typename... Arguments>
size_t shared_bytes(const Arguments&... arguments) {
  Shared counted(nullptr);
  Parts parts(counted, arguments...);
  return counted.bytes();
}

}  // namespace dartsmith::cuda
