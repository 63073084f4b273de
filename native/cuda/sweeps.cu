// Whole-arena sweeps: optimisers, norms, the unrolled step and its perturbations.
#include "cuda/dropout.h"
#include "cuda/gather.h"
#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "cuda/mixing.h"
#include "cuda/peak.h"

namespace dartsmith::cuda {
namespace {

inline constexpr int64_t kNormPiece = 4096;

struct NormParts {
  double* sums;  // [kWarps]
  unsigned* flag;
  __host__ __device__ explicit NormParts(Shared& shared)
      : sums(shared.take<double>(kWarps)), flag(shared.take<unsigned>(1)) {}
};

__global__ void __launch_bounds__(kThreads) squared_norm_kernel(const float* values, int64_t count, double* partials,
                                                                unsigned* ticket, double* result, bool adds) {
  begin_kernel();
  Shared shared(shared_memory());
  const NormParts parts(shared);
  const int64_t pieces = divide_up(count, kNormPiece);
  for_tasks(pieces, [&](Index piece) {
    double sum = 0;
    const int64_t end = smaller(count, (piece + 1) * kNormPiece);
    for (int64_t i = piece * kNormPiece + threadIdx.x; i < end; i += kThreads) {
      sum += static_cast<double>(values[i]) * values[i];
    }
    sum = block_sum(sum, parts.sums);
    if (threadIdx.x == 0) partials[piece] = sum;
  });
  by_last_block(ticket, gridDim.x, parts.flag, [&] {
    double sum = 0;
    for (int64_t piece = threadIdx.x; piece < pieces; piece += kThreads) sum += partials[piece];
    sum = block_sum(sum, parts.sums);
    if (threadIdx.x == 0) *result = (adds ? *result : 0) + sum;
  });
}

void squared_norm(Stream& stream, const float* values, int64_t count, double* result, void* workspace, bool adds) {
  CudaStream& own = CudaStream::of(stream);
  const Work work{larger(1, divide_up(count, kNormPiece)), shared_bytes<NormParts>()};
  launch(own, squared_norm_kernel, work, values, count, static_cast<double*>(workspace), own.tickets(1), result, adds);
}

size_t squared_norm_workspace_bytes(int64_t count) {
  return static_cast<size_t>(divide_up(count, kNormPiece)) * sizeof(double);
}

__global__ void __launch_bounds__(kThreads) sgd_kernel(SgdUpdate u) {
  begin_kernel();
  const SgdSettings settings = *u.settings;
  const float clip = clip_factor(*u.squared_norm, settings.max_norm);
  for_grid(u.count, [&](Index i) {
    const float w = u.weights[i];
    const float gradient = clip * u.gradients[i] + settings.weight_decay * w;
    float step = gradient;
    if (settings.momentum != 0) {
      const float buffer = settings.momentum * u.momentum_buffer[i] + gradient;
      u.momentum_buffer[i] = buffer;
      step = settings.nesterov ? gradient + settings.momentum * buffer : buffer;
    }
    u.weights[i] = w - settings.learning_rate * step;
  });
}

void sgd(Stream& stream, const SgdUpdate& update) {
  launch(CudaStream::of(stream), sgd_kernel, a_thread_each(update.count), update);
}

__global__ void __launch_bounds__(kThreads) clip_kernel(GradientClip c) {
  begin_kernel();
  const float factor = clip_factor(*c.squared_norm, c.settings->max_norm);
  for_grid(c.count, [&](Index i) { c.gradients[i] *= factor; });
}

void clip(Stream& stream, const GradientClip& call) {
  launch(CudaStream::of(stream), clip_kernel, a_thread_each(call.count), call);
}

__global__ void __launch_bounds__(kThreads) average_kernel(AverageUpdate u) {
  begin_kernel();
  const float decay = u.settings->decay, rest = 1 - decay;
  for_grid(u.count, [&](Index i) { u.average[i] = decay * u.average[i] + rest * u.values[i]; });
}

void average(Stream& stream, const AverageUpdate& update) {
  launch(CudaStream::of(stream), average_kernel, a_thread_each(update.count), update);
}

__global__ void __launch_bounds__(kThreads) accumulate_kernel(float* target, const float* values, int64_t count) {
  begin_kernel();
  for_grid(count, [&](Index i) { target[i] += values[i]; });
}

void accumulate(Stream& stream, float* target, const float* values, int64_t count) {
  launch(CudaStream::of(stream), accumulate_kernel, a_thread_each(count), target, values, count);
}

__global__ void __launch_bounds__(kThreads) adam_kernel(AdamUpdate u) {
  begin_kernel();
  const AdamSettings s = *u.settings;
  const double correction1 = 1 - pow(s.beta1, static_cast<double>(s.step));
  const double correction2 = sqrt(1 - pow(s.beta2, static_cast<double>(s.step)));
  const float clip = u.squared_norm == nullptr ? 1 : clip_factor(*u.squared_norm, s.max_norm);
  for_grid(u.count, [&](Index i) {
    const double gradient = clip * u.gradients[i] + s.weight_decay * u.values[i];
    const double mean = s.beta1 * u.mean[i] + (1 - s.beta1) * gradient;
    const double variance = s.beta2 * u.variance[i] + (1 - s.beta2) * gradient * gradient;
    u.mean[i] = static_cast<float>(mean);
    u.variance[i] = static_cast<float>(variance);
    const double denominator = sqrt(variance) / correction2 + s.epsilon;
    u.values[i] -= static_cast<float>(s.learning_rate / correction1 * mean / denominator);
  });
}

void adam(Stream& stream, const AdamUpdate& update) {
  launch(CudaStream::of(stream), adam_kernel, a_thread_each(update.count), update);
}

__global__ void __launch_bounds__(kThreads) unrolled_step_kernel(UnrolledStep s) {
  begin_kernel();
  const HypergradientSettings settings = *s.settings;
  const float clip = training_factor(settings, *s.squared_norm);
  for_grid(s.count, [&](Index i) {
    const float direction =
        settings.momentum * s.momentum_buffer[i] + clip * s.gradients[i] + settings.weight_decay * s.weights[i];
    s.unrolled[i] = s.weights[i] - settings.learning_rate * direction;
  });
}

void unrolled_step(Stream& stream, const UnrolledStep& step) {
  launch(CudaStream::of(stream), unrolled_step_kernel, a_thread_each(step.count), step);
}

__global__ void __launch_bounds__(kThreads) perturb_kernel(Perturbation p) {
  begin_kernel();
  const double norm = sqrt(*p.squared_norm);
  const float factor = norm > 0 ? static_cast<float>(p.sign * p.settings->radius / norm) : 0.0f;
  for_grid(p.count, [&](Index i) { p.perturbed[i] = p.weights[i] + factor * p.direction[i]; });
}

void perturb(Stream& stream, const Perturbation& perturbation) {
  launch(CudaStream::of(stream), perturb_kernel, a_thread_each(perturbation.count), perturbation);
}

__global__ void __launch_bounds__(kThreads) combine_hypergradient_kernel(HypergradientCombination c) {
  begin_kernel();
  const double norm = clipped_direction_norm(*c.settings, *c.squared_norm);
  const double rate = c.settings->learning_rate * difference_factor(*c.settings, *c.training_squared_norm);
  const float factor = norm > 0 ? static_cast<float>(rate * norm / (2.0 * c.settings->radius)) : 0.0f;
  for_grid(c.count, [&](Index i) { c.target[i] -= factor * (c.plus[i] - c.minus[i]); });
}

void combine_hypergradient(Stream& stream, const HypergradientCombination& combination) {
  launch(CudaStream::of(stream), combine_hypergradient_kernel, a_thread_each(combination.count), combination);
}

}  // namespace

const Sweeps sweep_kernels = {
    .squared_norm = squared_norm,
    .squared_norm_workspace_bytes = squared_norm_workspace_bytes,
    .sgd = sgd,
    .adam = adam,
    .clip = clip,
    .average = average,
    .accumulate = accumulate,
    .unrolled_step = unrolled_step,
    .perturb = perturb,
    .combine_hypergradient = combine_hypergradient,
    .gather = gather,
    .draw_mask = draw_mask,
    .mixing_forward = mixing_forward,
    .mixing_backward = mixing_backward,
    .penalty = penalty,
    .measure_peak = measure_peak,
};

}  // namespace dartsmith::cuda
