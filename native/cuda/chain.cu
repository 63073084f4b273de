#include <cstring>

#include "cuda/chain.h"
#include "cuda/combine.cuh"
#include "cuda/elementwise.cuh"
#include "cuda/pool.cuh"
#include "cuda/separable.cuh"

namespace dartsmith::cuda {
namespace {

constexpr int kMostArgumentBytes = 32764;  // of a launch, since CUDA 12.1
static_assert(sizeof(Chain) <= kMostArgumentBytes);

template <typename Arguments>
__device__ __forceinline__ const Arguments& as(const unsigned char* arguments) {
  return *reinterpret_cast<const Arguments*>(arguments);
}

template <Precision precision, Layout layout>
__device__ __forceinline__ void run_forward(Phase phase, const unsigned char* arguments, Shared& shared) {
  switch (phase) {
    case Phase::kSeparable:
      return separable::forward<precision, layout>(as<separable::Separable>(arguments), shared);
    case Phase::kCombine:
      return combine::forward<layout>(as<combine::Combine>(arguments), shared);
    case Phase::kPool:
      return pool::forward<layout>(as<Group<pool::PoolForward>>(arguments));
    case Phase::kPooledMoments:
      return pool::measure<layout>(as<Group<pool::PooledMoments>>(arguments), shared);
    case Phase::kRelu:
      return elementwise::apply_relu<false>(as<Group<elementwise::Relu>>(arguments));
    case Phase::kCopy:
      return elementwise::copy_windows(as<Group<elementwise::WindowCopy>>(arguments));
    case Phase::kDropout:
      return elementwise::drop(as<Group<elementwise::Dropout>>(arguments));
  }
}

template <Precision precision, Layout layout>
__device__ __forceinline__ void run_backward(Phase phase, const unsigned char* arguments, Shared& shared) {
  switch (phase) {
    case Phase::kSeparable:
      return separable::backward<precision, layout>(as<separable::Separable>(arguments), shared);
    case Phase::kCombine:
      return combine::backward<layout>(as<combine::Combine>(arguments), shared);
    case Phase::kPool:
      return pool::backward<layout>(as<pool::PoolBackward>(arguments));
    case Phase::kPooledMoments:  // as a pooling
      return;
    case Phase::kRelu:
      return elementwise::apply_relu<true>(as<Group<elementwise::Relu>>(arguments));
    case Phase::kCopy:
      return elementwise::copy_windows(as<Group<elementwise::WindowCopy>>(arguments));
    case Phase::kDropout:
      return elementwise::drop(as<Group<elementwise::Dropout>>(arguments));
  }
}

// Blocks that the shared memory of a multiprocessor holds, and that registers must not be fewer for: 100 KiB of it hold
// one, those of the GPUs of data centres two.
#if defined(__CUDA_ARCH__) && (__CUDA_ARCH__ == 860 || __CUDA_ARCH__ == 890 || __CUDA_ARCH__ == 1200)
constexpr int kBlocks = 1;
#else
constexpr int kBlocks = 2;
#endif

template <Precision precision, Layout layout, bool backward>
__global__ void __launch_bounds__(kThreads, kBlocks) chain_kernel(DARTSMITH_ARGUMENT(Chain) chain) {
  Shared shared(shared_memory());
  for (int l = 0; l < chain.count; ++l) {
    if (l > 0) {
      wait_for_grid();
      shared.start_over();
    }
    const Chain::Link link = chain.links[l];
    if constexpr (backward) {
      run_backward<precision, layout>(link.phase, chain.arguments + link.place, shared);
    } else {
      run_forward<precision, layout>(link.phase, chain.arguments + link.place, shared);
    }
  }
}

template <Precision precision, Layout layout>
auto kernel_of(bool backward) {
  return backward ? chain_kernel<precision, layout, true> : chain_kernel<precision, layout, false>;
}

}  // namespace

bool PendingChain::takes(const PhaseCall& call) const {
  return call.backward == backward_ && call.precision == precision_ &&
         (!call.layout || !layout_ || *call.layout == *layout_) && chain_.count < Chain::kPhases &&
         used_ + static_cast<int>(call.arguments.size()) <= Chain::kArgumentBytes;
}

void PendingChain::add(const PhaseCall& call) {
  check_tasks(call.work);
  if (call.layout) layout_ = call.layout;
  const auto bytes = static_cast<int>(call.arguments.size());
  chain_.links[chain_.count++] = {call.phase, used_};
  std::memcpy(chain_.arguments + used_, call.arguments.data(), bytes);
  used_ += static_cast<int>(round_up(bytes, 16));
  work_.tasks = larger(work_.tasks, call.work.tasks);
  work_.shared_bytes = std::max(work_.shared_bytes, call.work.shared_bytes);
}

void PendingChain::start(CudaStream& stream) const {
  with_precision(precision_, [&](auto precision) {
    constexpr Layout kVectors = precision.value == Precision::kBf16 ? Layout::kHalves : Layout::kFloats;
    const auto kernel = layout_.value_or(kVectors) == kVectors ? kernel_of<precision.value, kVectors>(backward_)
                                                               : kernel_of<precision.value, Layout::kAny>(backward_);
#ifdef DARTSMITH_SIMT
    simt::count_parts(chain_.count);
#endif
    launch_cooperative(stream, kernel, work_, chain_);
  });
}

void append(CudaStream& stream, const PhaseCall& call) {
  if (call.work.tasks <= 0) return;
  std::unique_ptr<PendingChain>& pending = stream.pending();
  if (pending != nullptr && !pending->takes(call)) stream.start_pending();
  if (pending == nullptr) pending = std::make_unique<PendingChain>(call.backward, call.precision);
  if (!pending->takes(call)) fail("cuda", "expected fewer nodes in a step of the graph");
  pending->add(call);
}

void CudaStream::start_pending() {
  const std::unique_ptr<PendingChain> started = std::move(pending_);
  if (started != nullptr) started->start(*this);
}

CudaStream::CudaStream(int device) : device_(device) {
  select();
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, device), "reading the device's properties");
  multiprocessors_ = properties.multiProcessorCount;
  most_shared_bytes_ = static_cast<int>(properties.sharedMemPerBlockOptin);
  check(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking), "making a stream");
}

CudaStream::~CudaStream() {
  cudaSetDevice(device_);
  cudaStreamDestroy(handle_);
}

}  // namespace dartsmith::cuda
