// 1x1 convolutions of one group, of any stride, and linear layers (images of one pixel): products of pixels with a
// matrix. They read the relu of their input, or several inputs as if they were concatenated, without either being
// stored.
#pragma once
#include "cpu/simd.h"

namespace dartsmith::cpu::DARTSMITH_ISA {

bool is_pointwise(const KernelCall& call);

void pointwise_forward(Stream& stream, const KernelCall& call);
void pointwise_backward(Stream& stream, const KernelCall& call);
size_t pointwise_workspace_bytes(const KernelCall& call, bool backward);

}  // namespace dartsmith::cpu::DARTSMITH_ISA
