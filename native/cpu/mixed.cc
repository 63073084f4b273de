// The combine stage of a mixed operation: out = sum over branches of p_k * y_k; and the rows of mixing weights.
#include <cmath>

#include "cpu/kernels.h"
#include "cpu/mixing.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

int64_t elements_of(const Tensor& t) { return t.batch * t.height * t.width * t.channels; }

// A branch counts when it was computed (zeros are not) and its weight is not zero. Input 0 is the edge's input.
bool counts(const KernelCall& call, int branch) {
  return call.inputs[branch + 1].data != nullptr && call.mixing[branch] != 0;
}

void forward(Stream& stream, const KernelCall& call) {
  const int branches = call.input_count - 1;
  parallel_ranges(stream, elements_of(call.output), kElementGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i += kLanes) {
      const auto lanes = static_cast<int>(min(kLanes, end - i));
      Vec sum = {};
      for (int k = 0; k < branches; ++k) {
        if (counts(call, k)) sum += splat(call.mixing[k]) * load_first(call.inputs[k + 1].data + i, lanes);
      }
      store_first(call.output.data + i, sum, lanes);
    }
  });
}

// Elements over which a dot product is summed in float before it joins a double.
inline constexpr int64_t kDotRun = 1024;

double dot(const float* a, const float* b, int64_t count) {
  double total = 0;
  for (int64_t begin = 0; begin < count; begin += kDotRun) {
    const int64_t end = min(count, begin + kDotRun);
    Vec sums[4] = {};
    int64_t i = begin;
    for (; i + 4 * kLanes <= end; i += 4 * kLanes) {
      for (int j = 0; j < 4; ++j) sums[j] += load(a + i + j * kLanes) * load(b + i + j * kLanes);
    }
    for (; i < end; i += kLanes) {
      const auto lanes = static_cast<int>(min(kLanes, end - i));
      sums[0] += load_first(a + i, lanes) * load_first(b + i, lanes);
    }
    total += sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
  }
  return total;
}

void scale_into(const GradientTarget& target, const float* from, float factor, int64_t begin, int64_t end) {
  if (target.mode == GradientMode::kIgnore) return;
  for (int64_t i = begin; i < end; i += kLanes) {
    const auto lanes = static_cast<int>(min(kLanes, end - i));
    Vec value = splat(factor) * load_first(from + i, lanes);
    if (target.mode == GradientMode::kAccumulate) value += load_first(target.data + i, lanes);
    store_first(target.data + i, value, lanes);
  }
}

void backward(Stream& stream, const KernelCall& call) {
  const int branches = call.input_count - 1;
  const int64_t elements = elements_of(call.output);
  auto* dots = static_cast<double*>(call.workspace);  // [pieces, branches]
  parallel_ranges(stream, elements, kElementGrain, [&](int64_t begin, int64_t end) {
    for (int k = 0; k < branches; ++k) {
      if (!counts(call, k)) continue;
      if (call.mixing_gradient != nullptr) {
        dots[begin / kElementGrain * branches + k] =
            dot(call.output_gradient + begin, call.inputs[k + 1].data + begin, end - begin);
      }
      scale_into(call.input_gradients[k + 1], call.output_gradient, call.mixing[k], begin, end);
    }
  });
  if (call.mixing_gradient == nullptr) return;
  for (int k = 0; k < branches; ++k) {
    if (!counts(call, k)) continue;
    double sum = 0;
    for (int64_t piece = 0; piece < divide_up(elements, kElementGrain); ++piece) sum += dots[piece * branches + k];
    call.mixing_gradient[k] += sum;
  }
}

size_t workspace_bytes(const KernelCall& call, bool backward) {
  if (!backward) return 0;
  const int64_t pieces = divide_up(elements_of(call.output), kElementGrain);
  return static_cast<size_t>(pieces * (call.input_count - 1)) * sizeof(double);
}

}  // namespace

const OpKernels mixed_kernels = {forward, backward, workspace_bytes};

void mixing_forward(Stream&, const MixingRow* rows, int64_t count, const float* alpha, float* mixing) {
  for (int64_t r = 0; r < count; ++r) {
    const float* in = alpha + rows[r].offset;
    float* out = mixing + rows[r].offset;
    if (rows[r].sigmoid) {
      for (int64_t k = 0; k < rows[r].length; ++k) out[k] = static_cast<float>(1 / (1 + std::exp(-double{in[k]})));
      continue;
    }
    double largest = in[0], total = 0;
    for (int64_t k = 1; k < rows[r].length; ++k) largest = in[k] > largest ? in[k] : largest;
    for (int64_t k = 0; k < rows[r].length; ++k) total += std::exp(in[k] - largest);
    for (int64_t k = 0; k < rows[r].length; ++k) out[k] = static_cast<float>(std::exp(in[k] - largest) / total);
  }
}

void mixing_backward(Stream&, const MixingRow* rows, int64_t count, const float* mixing, const double* mixing_gradients,
                     float* alpha_gradients) {
  for (int64_t r = 0; r < count; ++r) {
    const float* p = mixing + rows[r].offset;
    const double* g = mixing_gradients + rows[r].offset;
    double mean = 0;
    for (int64_t k = 0; k < rows[r].length; ++k) mean += p[k] * g[k];
    for (int64_t k = 0; k < rows[r].length; ++k) {
      const double slope = rows[r].sigmoid ? (1 - double{p[k]}) * g[k] : g[k] - mean;
      alpha_gradients[rows[r].offset + k] = static_cast<float>(p[k] * slope);
    }
  }
}

}  // namespace dartsmith::cpu::DARTSMITH_ISA
