// Whole-arena sweeps: optimisers, norms, the unrolled step and its perturbations.
#include <cmath>

#include "cpu/gather.h"
#include "cpu/kernels.h"
#include "cpu/masks.h"
#include "cpu/mixing.h"
#include "cpu/peak.h"
#include "cpu/penalty.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

// Calls body(i, lanes) over [0, count) in vectors.
template <typename Body>
void sweep(Stream& stream, int64_t count, const Body& body) {
  parallel_ranges(stream, count, kElementGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i += kLanes) body(i, Lanes(end - i));
  });
}

inline constexpr int64_t kNormPiece = 4096;

void squared_norm(Stream& stream, const float* values, int64_t count, double* result, void* workspace, bool adds) {
  auto* partials = static_cast<double*>(workspace);
  parallel_ranges(stream, count, kNormPiece, [&](int64_t begin, int64_t end) {
    double total = 0;
    for (int64_t i = begin; i < end; ++i) total += static_cast<double>(values[i]) * values[i];
    partials[begin / kNormPiece] = total;
  });
  double total = 0;
  for (int64_t piece = 0; piece < divide_up(count, kNormPiece); ++piece) total += partials[piece];
  *result = (adds ? *result : 0) + total;
}

size_t squared_norm_workspace_bytes(int64_t count) {
  return static_cast<size_t>(divide_up(count, kNormPiece)) * sizeof(double);
}

void sgd(Stream& stream, const SgdUpdate& update) {
  const SgdSettings& settings = *update.settings;
  const Vec clip = splat(clip_factor(*update.squared_norm, settings.max_norm));
  const Vec momentum = splat(settings.momentum), decay = splat(settings.weight_decay);
  const Vec rate = splat(settings.learning_rate);
  const bool nesterov = settings.nesterov != 0, keeps = settings.momentum != 0;
  sweep(stream, update.count, [&](int64_t i, Lanes lanes) {
    const Vec w = load_first(update.weights + i, lanes);
    const Vec gradient = multiply_add(decay, w, clip * load_first(update.gradients + i, lanes));
    Vec step = gradient;
    if (keeps) {
      const Vec buffer = momentum * load_first(update.momentum_buffer + i, lanes) + gradient;
      store_first(update.momentum_buffer + i, buffer, lanes);
      step = nesterov ? gradient + momentum * buffer : buffer;
    }
    store_first(update.weights + i, w - rate * step, lanes);
  });
}

void clip(Stream& stream, const GradientClip& call) {
  const Vec factor = splat(clip_factor(*call.squared_norm, call.settings->max_norm));
  sweep(stream, call.count, [&](int64_t i, Lanes lanes) {
    store_first(call.gradients + i, factor * load_first(call.gradients + i, lanes), lanes);
  });
}

void average(Stream& stream, const AverageUpdate& update) {
  const Vec decay = splat(update.settings->decay), rest = splat(1 - update.settings->decay);
  sweep(stream, update.count, [&](int64_t i, Lanes lanes) {
    const Vec moved =
        multiply_add(decay, load_first(update.average + i, lanes), rest * load_first(update.values + i, lanes));
    store_first(update.average + i, moved, lanes);
  });
}

void accumulate(Stream& stream, float* target, const float* values, int64_t count) {
  sweep(stream, count, [&](int64_t i, Lanes lanes) {
    store_first(target + i, load_first(target + i, lanes) + load_first(values + i, lanes), lanes);
  });
}

void adam(Stream& stream, const AdamUpdate& update) {
  const AdamSettings& settings = *update.settings;
  const double correction1 = 1 - std::pow(settings.beta1, static_cast<double>(settings.step));
  const double correction2 = std::sqrt(1 - std::pow(settings.beta2, static_cast<double>(settings.step)));
  const float clip = update.squared_norm == nullptr ? 1 : clip_factor(*update.squared_norm, settings.max_norm);
  parallel_ranges(stream, update.count, kElementGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const double gradient = clip * update.gradients[i] + settings.weight_decay * update.values[i];
      const double mean = settings.beta1 * update.mean[i] + (1 - settings.beta1) * gradient;
      const double variance = settings.beta2 * update.variance[i] + (1 - settings.beta2) * gradient * gradient;
      update.mean[i] = static_cast<float>(mean);
      update.variance[i] = static_cast<float>(variance);
      const double denominator = std::sqrt(variance) / correction2 + settings.epsilon;
      update.values[i] -= static_cast<float>(settings.learning_rate / correction1 * mean / denominator);
    }
  });
}

void unrolled_step(Stream& stream, const UnrolledStep& step) {
  const HypergradientSettings& settings = *step.settings;
  const Vec momentum = splat(settings.momentum), decay = splat(settings.weight_decay);
  const Vec rate = splat(settings.learning_rate), clip = splat(training_factor(settings, *step.squared_norm));
  sweep(stream, step.count, [&](int64_t i, Lanes lanes) {
    const Vec w = load_first(step.weights + i, lanes);
    const Vec direction = multiply_add(decay, w,
                                       multiply_add(momentum, load_first(step.momentum_buffer + i, lanes),
                                                    clip * load_first(step.gradients + i, lanes)));
    store_first(step.unrolled + i, w - rate * direction, lanes);
  });
}

void perturb(Stream& stream, const Perturbation& p) {
  const double norm = std::sqrt(*p.squared_norm);
  const Vec factor = splat(norm > 0 ? static_cast<float>(p.sign * p.settings->radius / norm) : 0.0f);
  sweep(stream, p.count, [&](int64_t i, Lanes lanes) {
    store_first(p.perturbed + i, load_first(p.weights + i, lanes) + factor * load_first(p.direction + i, lanes), lanes);
  });
}

void combine_hypergradient(Stream& stream, const HypergradientCombination& c) {
  const double norm = clipped_direction_norm(*c.settings, *c.squared_norm);
  const double rate = c.settings->learning_rate * difference_factor(*c.settings, *c.training_squared_norm);
  const Vec factor = splat(norm > 0 ? static_cast<float>(rate * norm / (2.0 * c.settings->radius)) : 0.0f);
  sweep(stream, c.count, [&](int64_t i, Lanes lanes) {
    const Vec difference = load_first(c.plus + i, lanes) - load_first(c.minus + i, lanes);
    store_first(c.target + i, load_first(c.target + i, lanes) - factor * difference, lanes);
  });
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

}  // namespace dartsmith::cpu::DARTSMITH_ISA
