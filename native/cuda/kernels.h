// The tables that the kernel files fill.
#pragma once
#include "cuda/launch.h"
#include "cuda/task.cuh"
#include "engine/graph.h"
#include "engine/kernel.h"

namespace dartsmith::cuda {

extern const OpKernels conv2d_kernels;
extern const OpKernels linear_kernels;
extern const OpKernels batch_norm_kernels;
extern const OpKernels relu_kernels;
extern const OpKernels max_pool_kernels;
extern const OpKernels avg_pool_kernels;
extern const OpKernels global_avg_pool_kernels;
extern const OpKernels add_kernels;
extern const OpKernels concat_kernels;
extern const OpKernels crop_kernels;
extern const OpKernels zero_kernels;
extern const OpKernels combine_kernels;
extern const OpKernels separable_kernels;
extern const OpKernels moments_kernels;
extern const OpKernels pooled_moments_kernels;
extern const OpKernels softmax_cross_entropy_kernels;
extern const OpKernels dropout_kernels;
extern const Sweeps sweep_kernels;

}  // namespace dartsmith::cuda
