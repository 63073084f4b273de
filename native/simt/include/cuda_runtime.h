// The part of the CUDA runtime and of the device language that native/cuda uses, on the CPU. Errors and limits are as
// documented for the real ones; streams run their work only when something waits for it, so that host code which
// forgets to wait sees stale memory here as well.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>
#include <type_traits>

#include "simt/grid.h"

#define DARTSMITH_SIMT 1
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__
#define __launch_bounds__(...)

// --- Vectors

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
inline float2 make_float2(float x, float y) {
  return {x, y};
}
inline float4 make_float4(float x, float y, float z, float w) {
  return {x, y, z, w};
}
inline uint2 make_uint2(unsigned x, unsigned y) {
  return {x, y};
}

// --- Inside a kernel

namespace dartsmith::simt {

// A number of the thread that runs now; no macros, since launch configurations have members of these names.
template <auto member, auto axis>
struct ThreadNumber {
  operator unsigned() const { return (current_thread->*member).*axis; }
};
template <auto member, typename T>
struct ThreadNumbers {
  ThreadNumber<member, &T::x> x;
  ThreadNumber<member, &T::y> y;
  ThreadNumber<member, &T::z> z;
};

}  // namespace dartsmith::simt

inline constexpr ::dartsmith::simt::ThreadNumbers<&::dartsmith::simt::ThreadView::thread, ::dartsmith::simt::Index3>
    threadIdx{};
inline constexpr ::dartsmith::simt::ThreadNumbers<&::dartsmith::simt::ThreadView::block, ::dartsmith::simt::Index3>
    blockIdx{};
inline constexpr ::dartsmith::simt::ThreadNumbers<&::dartsmith::simt::ThreadView::block_size, ::dartsmith::simt::Size3>
    blockDim{};
inline constexpr ::dartsmith::simt::ThreadNumbers<&::dartsmith::simt::ThreadView::grid_size, ::dartsmith::simt::Size3>
    gridDim{};

inline void __syncthreads() {
  ::dartsmith::simt::block_barrier();
}
inline void __syncwarp(unsigned = 0xffffffffu) {
  ::dartsmith::simt::warp_barrier();
}
inline void __threadfence() {}
inline void __trap() {
  ::dartsmith::simt::fault("a kernel trapped");
}

namespace dartsmith::simt {

// Of the thread that runs now, in its warp.
inline unsigned lane_now() {
  return (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % kWarp;
}
// A lane's value as the others see it, from what warp_exchange() gave.
template <typename T>
T of_lane(const std::byte* values, unsigned lane) {
  T result;
  std::memcpy(&result, values + lane % kWarp * kExchangeBytes, sizeof result);
  return result;
}

}  // namespace dartsmith::simt

template <typename T>
T __shfl_sync(unsigned, T value, int lane) {
  static_assert(sizeof(T) <= ::dartsmith::simt::kExchangeBytes);
  return ::dartsmith::simt::of_lane<T>(::dartsmith::simt::warp_exchange(&value, sizeof value),
                                       static_cast<unsigned>(lane));
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask) {
  return __shfl_sync(mask, value, static_cast<int>(::dartsmith::simt::lane_now()) ^ lane_mask);
}

inline unsigned atomicAdd(unsigned* address, unsigned value) {
  const unsigned before = *address;
  *address += value;
  return before;
}

inline float __uint_as_float(unsigned bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
inline unsigned __float_as_uint(float value) {
  unsigned bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

// --- Errors

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorNoKernelImageForDevice = 209,
  cudaErrorNotReady = 600,
  cudaErrorIllegalAddress = 700,
  cudaErrorLaunchFailure = 719,
  cudaErrorCooperativeLaunchTooLarge = 720,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureUnjoined = 904,
  cudaErrorStreamCaptureIsolation = 905,
};
const char* cudaGetErrorString(cudaError_t error);
const char* cudaGetErrorName(cudaError_t error);
cudaError_t cudaGetLastError();

// --- Devices: one a thread order (see simt/runtime.cc)

struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem;
  size_t sharedMemPerBlockOptin;
  int major, minor;
  int multiProcessorCount;
  int cooperativeLaunch;
};
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaRuntimeGetVersion(int* version);
cudaError_t cudaMemGetInfo(size_t* free, size_t* total);

// --- Memory

enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
using cudaStream_t = struct SimtStream*;
using cudaEvent_t = struct SimtEvent*;
using cudaGraph_t = struct SimtGraph*;
using cudaGraphExec_t = struct SimtGraphExec*;
using cudaGraphNode_t = struct SimtGraphNode*;

cudaError_t cudaMalloc(void** memory, size_t bytes);
cudaError_t cudaFree(void* memory);
cudaError_t cudaMallocHost(void** memory, size_t bytes);
cudaError_t cudaFreeHost(void* memory);
cudaError_t cudaMemcpyAsync(void* target, const void* source, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream);

// --- Streams, events, graphs

inline constexpr unsigned cudaStreamNonBlocking = 1;
inline constexpr unsigned cudaEventDisableTiming = 2;
inline constexpr unsigned cudaEventDefault = 0;
enum cudaStreamCaptureMode {
  cudaStreamCaptureModeGlobal,
  cudaStreamCaptureModeThreadLocal,
  cudaStreamCaptureModeRelaxed
};

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags = 0);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float* millis, cudaEvent_t begin, cudaEvent_t end);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long flags = 0);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream);
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);
enum cudaGraphNodeType { cudaGraphNodeTypeKernel = 0, cudaGraphNodeTypeMemcpy = 1, cudaGraphNodeTypeMemset = 2 };
cudaError_t cudaGraphNodeGetType(cudaGraphNode_t node, cudaGraphNodeType* type);

// --- Launches

enum cudaLaunchAttributeID {
  cudaLaunchAttributeCooperative = 2,
  cudaLaunchAttributeProgrammaticStreamSerialization = 6
};
union cudaLaunchAttributeValue {
  int cooperative;
  int programmaticStreamSerializationAllowed;
};
struct cudaLaunchAttribute {
  cudaLaunchAttributeID id;
  cudaLaunchAttributeValue val;
};
struct cudaLaunchConfig_t {
  dim3 gridDim;
  dim3 blockDim;
  size_t dynamicSmemBytes;
  cudaStream_t stream;
  cudaLaunchAttribute* attrs;
  unsigned numAttrs;
};
struct cudaFuncAttributes {
  int ptxVersion;
};
template <typename Kernel>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, Kernel*) {
  attributes->ptxVersion = 90;
  return cudaSuccess;
}
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };

namespace dartsmith::simt {
// `symbol` is the kernel function, which names it.
cudaError_t enqueue_kernel(const cudaLaunchConfig_t& config, const void* symbol, std::function<void()> kernel);
// Shared memory that a block of a kernel may have on the device in use: what was last asked for, be it less than
// before.
cudaError_t allow_shared_memory(const void* symbol, int bytes);
size_t allowed_shared_bytes(const void* symbol);
}  // namespace dartsmith::simt

template <typename... Expected, typename... Actual>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Expected...), Actual&&... arguments) {
  std::tuple<std::remove_cvref_t<Expected>...> kept(std::forward<Actual>(arguments)...);
  return ::dartsmith::simt::enqueue_kernel(*config, reinterpret_cast<const void*>(kernel),
                                           [kernel, kept] { std::apply(kernel, kept); });
}
template <typename Kernel>
cudaError_t cudaFuncSetAttribute(Kernel* kernel, cudaFuncAttribute, int bytes) {
  return ::dartsmith::simt::allow_shared_memory(reinterpret_cast<const void*>(kernel), bytes);
}
template <typename Kernel>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Kernel* kernel, int, size_t shared_bytes) {
  const size_t allowed = ::dartsmith::simt::allowed_shared_bytes(reinterpret_cast<const void*>(kernel));
  *blocks = shared_bytes <= allowed ? 1 : 0;
  return cudaSuccess;
}
