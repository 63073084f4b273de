// combine: out = sum over inputs of p_k * y_k, normalised inputs as p_k * rstd_k * (y_k - mean_k), in one pass over
// memory. Backward: one pass gives, for all inputs, the batch-norm gradient sums, the dot products that are dL/dp_k,
// and the gradients of plain inputs.
#include "cpu/kernels.h"
#include "cpu/moments.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

// Elements of the output that a task holds in the first-level cache while all inputs go by, each in one stretch as long
// as the hardware prefetcher can follow.
inline constexpr int64_t kRunElements = 4096;
inline constexpr int64_t kStretchElements = 1024;

int64_t run_pixels(const Tensor& output) {
  return max(4, kRunElements / output.channels);
}

// Adds input k over pixels [begin, end) to `sums` [end - begin, channels].
void add_input(const KernelCall& call, int k, int64_t begin, int64_t end, float* sums) {
  const int64_t channels = call.output.channels;
  const InputLink& link = call.links[k];
  const float* from = call.inputs[k].data + begin * channels;
  for_channels(channels, [&](int64_t c, Lanes lanes) {
    const bool normalised = link.statistics != nullptr;
    const Vec mean = normalised ? load_first(link.statistics + c, lanes) : Vec{};
    const Vec deviation = normalised ? load_first(link.statistics + channels + c, lanes) : splat(1);
    const Vec factor = splat(*link.mixing) * deviation;
    for (int64_t i = c; i < (end - begin) * channels; i += channels) {
      store_first(sums + i, load_first(sums + i, lanes) + factor * (load_first(from + i, lanes) - mean), lanes);
    }
  });
}

void forward(Stream& stream, const KernelCall& call) {
  const int64_t channels = call.output.channels, stretch = max(1, kStretchElements / channels);
  parallel_ranges(stream, pixels_of(call.output), run_pixels(call.output), [&](int64_t begin, int64_t end) {
    for (int64_t first = begin; first < end; first += stretch) {
      const int64_t last = min(end, first + stretch);
      float* sums = call.output.data + first * channels;
      fill(sums, (last - first) * channels, 0);
      for (int k = 0; k < call.input_count; ++k) add_input(call, k, first, last, sums);
    }
  });
}

bool needs_sums(const InputLink& link) {
  return link.mixing_gradient != nullptr || link.gradient_map != nullptr;
}

void scale_into(const GradientTarget& target, const float* from, float factor, int64_t begin, int64_t end) {
  if (target.mode == GradientMode::kIgnore) return;
  for (int64_t i = begin; i < end; i += kLanes) {
    const Lanes lanes(end - i);
    Vec value = splat(factor) * load_first(from + i, lanes);
    if (target.mode == GradientMode::kAccumulate) value += load_first(target.data + i, lanes);
    store_first(target.data + i, value, lanes);
  }
}

// Of one run, per channel: the gradient's sum, then for each input the sum of gradient * (input - mean).
// sums: [1 + inputs, channels]
void backward_run(const KernelCall& call, int64_t begin, int64_t end, float* sums) {
  const int64_t channels = call.output.channels, pixels = end - begin;
  for_channels(channels, [&](int64_t c, Lanes lanes) {
    const float* gradient = call.output_gradient + begin * channels + c;
    store_first(sums + c, sum_pixels(pixels, [&](int64_t p) { return load_first(gradient + p * channels, lanes); }),
                lanes);
    for (int k = 0; k < call.input_count; ++k) {
      if (!needs_sums(call.links[k])) continue;
      const float* from = call.inputs[k].data + begin * channels + c;
      const float* statistics = call.links[k].statistics;
      const Vec mean = statistics == nullptr ? Vec{} : load_first(statistics + c, lanes);
      const Vec sum = sum_pixels(pixels, [&](int64_t p) {
        return load_first(gradient + p * channels, lanes) * (load_first(from + p * channels, lanes) - mean);
      });
      store_first(sums + (1 + k) * channels + c, sum, lanes);
    }
  });
  for (int k = 0; k < call.input_count; ++k) {
    if (call.links[k].statistics != nullptr) continue;
    scale_into(call.input_gradients[k], call.output_gradient, *call.links[k].mixing, begin * channels, end * channels);
  }
}

// Joins the runs' sums of input k: writes its gradient map and returns its weight's gradient.
double finish_input(const KernelCall& call, int k, const float* sums, int64_t runs, GradientSums* joined) {
  const InputLink& link = call.links[k];
  if (!needs_sums(link)) return 0;
  const int64_t channels = call.output.channels, stride = (1 + call.input_count) * channels;
  double weight_gradient = 0;
  for (int64_t c = 0; c < channels; ++c) {
    joined[c] = {0, 0};
    for (int64_t run = 0; run < runs; ++run) {
      joined[c].gradient += sums[run * stride + c];
      joined[c].centred_product += sums[run * stride + (1 + k) * channels + c];
    }
    const double deviation = link.statistics == nullptr ? 1 : link.statistics[channels + c];
    weight_gradient += deviation * joined[c].centred_product;
  }
  if (link.gradient_map != nullptr) {
    write_gradient_map(joined, link.statistics, channels, *link.mixing, pixels_of(call.output), link.gradient_map);
  }
  return weight_gradient;
}

void backward(Stream& stream, const KernelCall& call) {
  const int64_t channels = call.output.channels, pixels = pixels_of(call.output);
  const int64_t grain = run_pixels(call.output), runs = divide_up(pixels, grain);
  const int64_t stride = (1 + call.input_count) * channels;
  auto* joined = static_cast<GradientSums*>(call.workspace);                        // [inputs, channels]
  auto* weights = reinterpret_cast<double*>(joined + call.input_count * channels);  // [inputs]
  auto* sums = reinterpret_cast<float*>(weights + call.input_count);
  parallel_ranges(stream, pixels, grain,
                  [&](int64_t begin, int64_t end) { backward_run(call, begin, end, sums + begin / grain * stride); });
  parallel(stream, call.input_count, [&](int64_t k, int) {
    weights[k] = finish_input(call, static_cast<int>(k), sums, runs, joined + k * channels);
  });
  // Inputs may share a weight: one after another.
  for (int k = 0; k < call.input_count; ++k) {
    if (call.links[k].mixing_gradient != nullptr) *call.links[k].mixing_gradient += weights[k];
  }
}

size_t workspace_bytes(const KernelCall& call, bool backward) {
  if (!backward) return 0;
  const int64_t channels = call.output.channels;
  const int64_t runs = divide_up(pixels_of(call.output), run_pixels(call.output));
  return static_cast<size_t>(call.input_count) * (channels * sizeof(GradientSums) + sizeof(double)) +
         static_cast<size_t>(runs * (1 + call.input_count) * channels) * sizeof(float);
}

}  // namespace

const OpKernels combine_kernels = {forward, backward, workspace_bytes};

}  // namespace dartsmith::cpu::DARTSMITH_ISA
