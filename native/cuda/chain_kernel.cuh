// The kernel of a chain; each direction is compiled in a file of its own, since that takes a minute.
#pragma once
#include "cuda/chain.h"
#include "cuda/combine.cuh"
#include "cuda/dropout.cuh"
#include "cuda/elementwise.cuh"
#include "cuda/grid.cuh"
#include "cuda/pool.cuh"
#include "cuda/pooled_moments.cuh"
#include "cuda/separable.cuh"

namespace dartsmith::cuda {

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
      return pooled_moments::forward<layout>(as<Group<pooled_moments::Measured>>(arguments), shared);
    case Phase::kRelu:
      return elementwise::apply_relu<false>(as<Group<elementwise::Relu>>(arguments));
    case Phase::kCopy:
      return elementwise::copy_windows(as<Group<elementwise::WindowCopy>>(arguments));
    case Phase::kDropout:
      return dropout::drop(as<Group<dropout::Dropout>>(arguments));
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
      return dropout::drop(as<Group<dropout::Dropout>>(arguments));
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

// The kernel for tensors of a layout: compiled for the one that a precision has, and for any.
template <bool backward>
ChainKernel chain_kernel_of(Precision precision, Layout layout) {
  ChainKernel kernel = nullptr;
  with_precision(precision, [&](auto known) {
    constexpr Layout kVectors = known.value == Precision::kBf16 ? Layout::kHalves : Layout::kFloats;
    kernel = layout == kVectors ? chain_kernel<known.value, kVectors, backward>
                                : chain_kernel<known.value, Layout::kAny, backward>;
  });
  return kernel;
}

}  // namespace dartsmith::cuda
