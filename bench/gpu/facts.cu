// Facts about a GPU that the design of the sliding warps leans on (docs/cuda.md), each a line of JSON on stdout:
// {"name": ..., "value": ..., "unit": ...}. Compiled and run by `npm run gpu:lease`; a program of its own.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
  std::exit(1);
}

void tell(const char* name, double value, const char* unit) {
  std::printf("{\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\"}\n", name, value, unit);
  std::fflush(stdout);
}

// Median seconds of what is queued on a stream, after one run that does not count.
template <typename Queue>
double seconds_of(cudaStream_t stream, const Queue& queue) {
  cudaEvent_t begin, end;
  check(cudaEventCreate(&begin), "event");
  check(cudaEventCreate(&end), "event");
  std::vector<float> times;
  for (int run = 0; run < 8; ++run) {
    check(cudaEventRecord(begin, stream), "record");
    queue();
    check(cudaEventRecord(end, stream), "record");
    check(cudaEventSynchronize(end), "running");
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin, end), "timing");
    if (run > 0) times.push_back(milliseconds);
  }
  std::sort(times.begin(), times.end());
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  return times[times.size() / 2] * 1e-3;
}

__global__ void nothing() {}

__global__ void nothing_dependent() {
#if __CUDA_ARCH__ >= 900
  cudaTriggerProgrammaticLaunchCompletion();
  cudaGridDependencySynchronize();
#endif
}

// Microseconds a node of a graph of empty kernels in so many branches; `dependent` launches are programmatic.
void time_nodes(cudaStream_t stream, const char* name, int branches, bool dependent) {
  constexpr int kNodes = 500;
  std::vector<cudaStream_t> others(branches - 1);
  std::vector<cudaEvent_t> joins(branches - 1);
  cudaEvent_t fork;
  check(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming), "event");
  for (auto& other : others) check(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking), "stream");
  for (auto& join : joins) check(cudaEventCreateWithFlags(&join, cudaEventDisableTiming), "event");
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "capture");
  check(cudaEventRecord(fork, stream), "fork");
  for (auto& other : others) check(cudaStreamWaitEvent(other, fork, 0), "fork");
  for (int node = 0; node < kNodes; ++node) {
    const int branch = node % branches;
    cudaLaunchAttribute attribute{};
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config{};
    config.gridDim = dim3(1);
    config.blockDim = dim3(128);
    config.stream = branch == 0 ? stream : others[branch - 1];
    config.attrs = &attribute;
    config.numAttrs = dependent ? 1 : 0;
    check(cudaLaunchKernelEx(&config, dependent ? nothing_dependent : nothing), "launch");
  }
  for (int b = 0; b + 1 < branches; ++b) {
    check(cudaEventRecord(joins[b], others[b]), "join");
    check(cudaStreamWaitEvent(stream, joins[b], 0), "join");
  }
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  check(cudaStreamEndCapture(stream, &graph), "capture");
  check(cudaGraphInstantiate(&exec, graph, 0), "instantiate");
  tell(name, seconds_of(stream, [&] { check(cudaGraphLaunch(exec, stream), "graph"); }) / kNodes * 1e6, "us");
  cudaGraphExecDestroy(exec);
  cudaGraphDestroy(graph);
  for (auto& other : others) cudaStreamDestroy(other);
}

// Cycles of a multiprocessor for a load of 16 bytes a lane from shared memory: lanes read `distinct` addresses, and with
// `paired` neighbours read the same one.
__global__ void read_shared(int distinct, bool paired, long long* cycles, float* sink) {
  extern __shared__ float4 memory[];
  for (int i = threadIdx.x; i < 2048; i += blockDim.x) memory[i] = make_float4(i, i, i, i);
  __syncthreads();
  const int lane = threadIdx.x % 32;
  const int place = (paired ? lane / 2 : lane) % distinct;
  const float4* from = memory + place * 5;
  float4 sum = make_float4(0, 0, 0, 0);
  const long long begin = clock64();
#pragma unroll 1
  for (int turn = 0; turn < 64; ++turn) {
#pragma unroll
    for (int i = 0; i < 16; ++i) {
      const float4 value = from[(i * 8 + turn % 2) % 512];
      sum.x += value.x;
      sum.y += value.y;
      sum.z += value.z;
      sum.w += value.w;
    }
  }
  const long long end = clock64();
  __syncthreads();
  if (threadIdx.x == 0) *cycles = end - begin;
  sink[threadIdx.x] = sum.x + sum.y + sum.z + sum.w;
}

void time_shared(cudaStream_t stream, const char* name, int distinct, bool paired) {
  constexpr int kThreads = 1024;
  long long* cycles;
  float* sink;
  check(cudaMallocManaged(&cycles, sizeof(*cycles)), "allocating");
  check(cudaMalloc(&sink, kThreads * sizeof(float)), "allocating");
  for (int run = 0; run < 2; ++run) {
    read_shared<<<1, kThreads, 2048 * sizeof(float4), stream>>>(distinct, paired, cycles, sink);
    check(cudaStreamSynchronize(stream), "shared");
  }
  tell(name, static_cast<double>(*cycles) / (64 * 16) / (kThreads / 32), "cycles");
  cudaFree(cycles);
  cudaFree(sink);
}

// Cycles of a multiprocessor for a load of 8 bytes a lane from four segments of 64 bytes, which lie in the first-level
// cache: what a warp of 16 channels reads.
__global__ void read_segments(const float2* from, long long* cycles, float* sink) {
  const int lane = threadIdx.x % 32;
  const float2* own = from + lane / 8 * 512 + lane % 8;
  float2 sum = make_float2(0, 0);
  long long begin = 0;
  for (int turn = 0; turn < 64; ++turn) {
    if (turn == 1) begin = clock64();
#pragma unroll
    for (int i = 0; i < 16; ++i) {
      const float2 value = own[i * 8];
      sum.x += value.x;
      sum.y += value.y;
    }
    __syncwarp();
  }
  const long long end = clock64();
  __syncthreads();
  if (threadIdx.x == 0) *cycles = end - begin;
  sink[threadIdx.x] = sum.x + sum.y;
}

void time_segments(cudaStream_t stream) {
  constexpr int kThreads = 512;
  float2* from;
  long long* cycles;
  float* sink;
  check(cudaMalloc(&from, 4096 * sizeof(float2)), "allocating");
  check(cudaMemset(from, 0, 4096 * sizeof(float2)), "clearing");
  check(cudaMallocManaged(&cycles, sizeof(*cycles)), "allocating");
  check(cudaMalloc(&sink, kThreads * sizeof(float)), "allocating");
  read_segments<<<1, kThreads, 0, stream>>>(from, cycles, sink);
  check(cudaStreamSynchronize(stream), "segments");
  tell("LDG.64 of four segments of 64 bytes", static_cast<double>(*cycles) / (63 * 16) / (kThreads / 32), "cycles");
  cudaFree(from);
  cudaFree(cycles);
  cudaFree(sink);
}

__global__ void copy(const float4* from, float4* to, size_t count) {
  for (size_t i = blockIdx.x * size_t{blockDim.x} + threadIdx.x; i < count; i += size_t{gridDim.x} * blockDim.x) {
    to[i] = from[i];
  }
}

// Read and written, again and again the same bytes.
void time_copy(cudaStream_t stream, const char* name, size_t megabytes, int multiprocessors) {
  const size_t bytes = megabytes << 20, count = bytes / sizeof(float4);
  float4 *from, *to;
  check(cudaMalloc(&from, bytes), "allocating");
  check(cudaMalloc(&to, bytes), "allocating");
  check(cudaMemset(from, 0, bytes), "clearing");
  const int times = megabytes > 256 ? 1 : 16;
  const double seconds = seconds_of(stream, [&] {
    for (int i = 0; i < times; ++i) copy<<<multiprocessors * 8, 256, 0, stream>>>(from, to, count);
  });
  tell(name, 2.0 * static_cast<double>(bytes) * times / seconds / 1e9, "GB/s");
  cudaFree(from);
  cudaFree(to);
}

// Straight code of so many multiply-adds, 16 bytes each, again and again.
template <int kCount>
__global__ void __launch_bounds__(512) run_code(float a, float b, int turns, float* sink) {
  float sums[8] = {a, b, a + 1, b + 1, a + 2, b + 2, a + 3, b + 3};
#pragma unroll 1
  for (int turn = 0; turn < turns; ++turn) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) sums[i % 8] = fmaf(sums[i % 8], a, b);
  }
  float sum = 0;
  for (const float value : sums) sum += value;
  sink[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}

template <int kCount>
void time_code(cudaStream_t stream, const char* name, int multiprocessors, double clock) {
  constexpr int kThreads = 512;
  const int turns = (1 << 18) / kCount;
  float* sink;
  check(cudaMalloc(&sink, size_t{static_cast<unsigned>(multiprocessors)} * kThreads * sizeof(float)), "allocating");
  const double seconds = seconds_of(
      stream, [&] { run_code<kCount><<<multiprocessors, kThreads, 0, stream>>>(1.0f, 0.5f, turns, sink); });
  const double instructions = static_cast<double>(turns) * kCount * (kThreads / 32) / 4;  // of a scheduler
  tell(name, instructions / (seconds * clock), "instructions a cycle and scheduler");
  cudaFree(sink);
}

}  // namespace

int main() {
  int device = 0, multiprocessors = 0, kilohertz = 0;
  check(cudaGetDevice(&device), "device");
  check(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device), "device");
  check(cudaDeviceGetAttribute(&kilohertz, cudaDevAttrClockRate, device), "device");
  const double clock = kilohertz * 1e3;
  cudaStream_t stream;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "stream");
  time_nodes(stream, "a node of a graph, one after another", 1, false);
  time_nodes(stream, "a node of a graph in four branches", 4, false);
  time_nodes(stream, "a node of a graph, programmatic launches", 1, true);
  time_shared(stream, "LDS.128, 32 addresses", 32, false);
  time_shared(stream, "LDS.128, 8 addresses", 8, false);
  time_shared(stream, "LDS.128, 8 addresses, neighbours alike", 8, true);
  time_shared(stream, "LDS.128, 4 addresses", 4, false);
  time_shared(stream, "LDS.128, 4 addresses, neighbours alike", 4, true);
  time_segments(stream);
  time_copy(stream, "copy from memory, 1024 MB", 1024, multiprocessors);
  time_copy(stream, "copy of 16 MB", 16, multiprocessors);
  time_copy(stream, "copy of 32 MB", 32, multiprocessors);
  time_copy(stream, "copy of 48 MB", 48, multiprocessors);
  time_code<512>(stream, "a loop of 8 KB", multiprocessors, clock);
  time_code<1024>(stream, "a loop of 16 KB", multiprocessors, clock);
  time_code<2048>(stream, "a loop of 32 KB", multiprocessors, clock);
  time_code<4096>(stream, "a loop of 64 KB", multiprocessors, clock);
  time_code<8192>(stream, "a loop of 128 KB", multiprocessors, clock);
  time_code<16384>(stream, "a loop of 256 KB", multiprocessors, clock);
  return 0;
}
