#include "cpu/kernels.h"

namespace dartsmith::cpu::DARTSMITH_ISA {

constinit const KernelTable kernel_table = {
    .ops =
        {
            nullptr,  // input
            &conv2d_kernels,
            &batch_norm_kernels,
            &relu_kernels,
            &max_pool_kernels,
            &avg_pool_kernels,
            &global_avg_pool_kernels,
            &linear_kernels,
            &add_kernels,
            &concat_kernels,
            &crop_kernels,
            &zero_kernels,
            nullptr,  // mixed: lowered to combine
            &softmax_cross_entropy_kernels,
            &dropout_kernels,
            &combine_kernels,
            &separable_kernels,
            &moments_kernels,
            &pooled_moments_kernels,
        },
    .sweeps = &sweep_kernels,
};

}  // namespace dartsmith::cpu::DARTSMITH_ISA
