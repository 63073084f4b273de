// softmaxScale: a tensor times one entry of the softmax of a vector of weights.
#include "cpu/elementwise.h"
#include "cpu/kernels.h"
#include "engine/softmax_entry.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

inline constexpr int64_t kPiece = 4096;

SoftmaxEntry entry_of(const KernelCall& call) {
  return {call.weight, attributes_of<SoftmaxScaleAttributes>(call)};
}

void scale_into(Stream& stream, const KernelCall& call, const float* from, float* target, GradientMode mode) {
  const Vec factor = splat(static_cast<float>(entry_of(call).value()));
  map_elements(stream, elements_of(call.output), target, mode,
               [&](int64_t i, Lanes lanes) { return factor * load_first(from + i, lanes); });
}

// The gradient of the factor: a sum over the batch, in pieces whose order does not depend on threads.
double factor_slope(Stream& stream, const KernelCall& call) {
  const float *x = call.inputs[0].data, *dy = call.output_gradient;
  const int64_t count = elements_of(call.output);
  auto* partials = static_cast<double*>(call.workspace);
  parallel_ranges(stream, count, kPiece, [&](int64_t begin, int64_t end) {
    double sum = 0;
    for (int64_t i = begin; i < end; ++i) sum += static_cast<double>(x[i]) * dy[i];
    partials[begin / kPiece] = sum;
  });
  double sum = 0;
  for (int64_t piece = 0; piece < divide_up(count, kPiece); ++piece) sum += partials[piece];
  return sum;
}

void forward(Stream& stream, const KernelCall& call) {
  scale_into(stream, call, call.inputs[0].data, call.output.data, GradientMode::kOverwrite);
}

// The input's gradient may lie where the output's does: that one is read first.
void backward(Stream& stream, const KernelCall& call) {
  if (call.weight_gradient != nullptr) {
    const SoftmaxEntry entry = entry_of(call);
    const double slope = factor_slope(stream, call);
    const int count = attributes_of<SoftmaxScaleAttributes>(call).count;
    for (int i = 0; i < count; ++i) call.weight_gradient[i] = static_cast<float>(slope * entry.slope(i));
  }
  const GradientTarget& target = call.input_gradients[0];
  scale_into(stream, call, call.output_gradient, target.data, target.mode);
}

size_t workspace_bytes(const KernelCall& call, bool backward) {
  if (!backward || call.weight_gradient == nullptr) return 0;
  return static_cast<size_t>(divide_up(elements_of(call.output), kPiece)) * sizeof(double);
}

}  // namespace

constinit const OpKernels softmax_scale_kernels = {forward, backward, workspace_bytes};

}  // namespace dartsmith::cpu::DARTSMITH_ISA
