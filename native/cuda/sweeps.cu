// Whole-arena sweeps: optimisers, norms, the unrolled step and its perturbations; mixing weights; batches from uint8
// images.
#include "cuda/kernels.h"
#include "cuda/peak.h"

namespace dartsmith::cuda {
namespace {

Work elementwise(int64_t items) {
  return {divide_up(items, kThreads)};
}

inline constexpr int64_t kNormPiece = 4096;

struct NormParts {
  double* sums;  // [kWarps]
  __host__ __device__ explicit NormParts(Shared& shared) : sums(shared.take<double>(kWarps)) {}
};

// The block's sum in thread 0.
__device__ double block_sum(double value, double* sums) {
  value = warp_sum(value);
  __syncthreads();
  if (threadIdx.x % kLanes == 0) sums[threadIdx.x / kLanes] = value;
  __syncthreads();
  double sum = 0;
  for (int w = 0; w < kWarps; ++w) sum += sums[w];
  return sum;
}

__global__ void __launch_bounds__(kThreads)
    squared_norm_kernel(const float* values, int64_t count, double* partials, double* result) {
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
  wait_for_grid();
  if (blockIdx.x != 0) return;
  double sum = 0;
  for (int64_t piece = threadIdx.x; piece < pieces; piece += kThreads) sum += partials[piece];
  sum = block_sum(sum, parts.sums);
  if (threadIdx.x == 0) *result = sum;
}

void squared_norm(Stream& stream, const float* values, int64_t count, double* result, void* workspace) {
  launch_cooperative(CudaStream::of(stream), squared_norm_kernel,
                     {divide_up(count, kNormPiece), shared_bytes<NormParts>()}, values, count,
                     static_cast<double*>(workspace), result);
}

size_t squared_norm_workspace_bytes(int64_t count) {
  return static_cast<size_t>(divide_up(count, kNormPiece)) * sizeof(double);
}

__global__ void __launch_bounds__(kThreads) sgd_kernel(SgdUpdate u) {
  const SgdSettings settings = *u.settings;
  // The published code's clipping adds 1e-6 to the norm.
  const double ratio = static_cast<double>(settings.max_norm) / (sqrt(*u.squared_norm) + 1e-6);
  const float clip = ratio < 1 ? static_cast<float>(ratio) : 1.0f;
  for_grid(u.count, [&](Index i) {
    const float w = u.weights[i];
    const float gradient = clip * u.gradients[i] + settings.weight_decay * w;
    const float buffer = settings.momentum * u.momentum_buffer[i] + gradient;
    u.momentum_buffer[i] = buffer;
    u.weights[i] = w - settings.learning_rate * buffer;
  });
}

void sgd(Stream& stream, const SgdUpdate& update) {
  launch(CudaStream::of(stream), sgd_kernel, elementwise(update.count), update);
}

__global__ void __launch_bounds__(kThreads) average_kernel(AverageUpdate u) {
  const float decay = u.settings->decay, rest = 1 - decay;
  for_grid(u.count, [&](Index i) { u.average[i] = decay * u.average[i] + rest * u.values[i]; });
}

void average(Stream& stream, const AverageUpdate& update) {
  launch(CudaStream::of(stream), average_kernel, elementwise(update.count), update);
}

__global__ void __launch_bounds__(kThreads) adam_kernel(AdamUpdate u) {
  const AdamSettings s = *u.settings;
  const double correction1 = 1 - pow(s.beta1, static_cast<double>(s.step));
  const double correction2 = sqrt(1 - pow(s.beta2, static_cast<double>(s.step)));
  for_grid(u.count, [&](Index i) {
    const double gradient = u.gradients[i] + s.weight_decay * u.values[i];
    const double mean = s.beta1 * u.mean[i] + (1 - s.beta1) * gradient;
    const double variance = s.beta2 * u.variance[i] + (1 - s.beta2) * gradient * gradient;
    u.mean[i] = static_cast<float>(mean);
    u.variance[i] = static_cast<float>(variance);
    const double denominator = sqrt(variance) / correction2 + s.epsilon;
    u.values[i] -= static_cast<float>(s.learning_rate / correction1 * mean / denominator);
  });
}

void adam(Stream& stream, const AdamUpdate& update) {
  launch(CudaStream::of(stream), adam_kernel, elementwise(update.count), update);
}

__global__ void __launch_bounds__(kThreads) unrolled_step_kernel(UnrolledStep s) {
  const HypergradientSettings settings = *s.settings;
  for_grid(s.count, [&](Index i) {
    const float direction =
        settings.momentum * s.momentum_buffer[i] + s.gradients[i] + settings.weight_decay * s.weights[i];
    s.unrolled[i] = s.weights[i] - settings.learning_rate * direction;
  });
}

void unrolled_step(Stream& stream, const UnrolledStep& step) {
  launch(CudaStream::of(stream), unrolled_step_kernel, elementwise(step.count), step);
}

__global__ void __launch_bounds__(kThreads) perturb_kernel(Perturbation p) {
  const double norm = sqrt(*p.squared_norm);
  const float factor = norm > 0 ? static_cast<float>(p.sign * p.settings->radius / norm) : 0.0f;
  for_grid(p.count, [&](Index i) { p.perturbed[i] = p.weights[i] + factor * p.direction[i]; });
}

void perturb(Stream& stream, const Perturbation& perturbation) {
  launch(CudaStream::of(stream), perturb_kernel, elementwise(perturbation.count), perturbation);
}

__global__ void __launch_bounds__(kThreads) combine_hypergradient_kernel(HypergradientCombination c) {
  const double norm = sqrt(*c.squared_norm);
  const float factor =
      norm > 0 ? static_cast<float>(c.settings->learning_rate * norm / (2.0 * c.settings->radius)) : 0.0f;
  for_grid(c.count, [&](Index i) { c.target[i] -= factor * (c.plus[i] - c.minus[i]); });
}

void combine_hypergradient(Stream& stream, const HypergradientCombination& combination) {
  launch(CudaStream::of(stream), combine_hypergradient_kernel, elementwise(combination.count), combination);
}

// --- Mixing weights

inline constexpr int kRows = 64;  // of one launch

struct Rows {
  MixingRow rows[kRows];
  int count;
};

// Calls body(rows) for parts of the rows that a launch takes.
template <typename Body>
void for_rows(const MixingRow* rows, int64_t count, const Body& body) {
  for (int64_t first = 0; first < count; first += kRows) {
    Rows part{};
    part.count = static_cast<int>(smaller(kRows, count - first));
    for (int r = 0; r < part.count; ++r) part.rows[r] = rows[first + r];
    body(part);
  }
}

__global__ void __launch_bounds__(kThreads)
    mixing_forward_kernel(DARTSMITH_ARGUMENT(Rows) rows, const float* alpha, float* mixing) {
  for_grid(rows.count, [&](Index r) {
    const MixingRow& row = rows.rows[r];
    const float* in = alpha + row.offset;
    float* out = mixing + row.offset;
    double largest = in[0], total = 0;
    for (int64_t k = 1; k < row.length; ++k) largest = in[k] > largest ? in[k] : largest;
    for (int64_t k = 0; k < row.length; ++k) total += exp(in[k] - largest);
    for (int64_t k = 0; k < row.length; ++k) {
      out[k] =
          static_cast<float>(row.sigmoid ? 1 / (1 + exp(-static_cast<double>(in[k]))) : exp(in[k] - largest) / total);
    }
  });
}

void mixing_forward(Stream& stream, const MixingRow* rows, int64_t count, const float* alpha, float* mixing) {
  for_rows(rows, count, [&](const Rows& part) {
    launch(CudaStream::of(stream), mixing_forward_kernel, elementwise(part.count), part, alpha, mixing);
  });
}

__global__ void __launch_bounds__(kThreads) mixing_backward_kernel(DARTSMITH_ARGUMENT(Rows) rows, const float* mixing,
                                                                   const double* gradients, float* alpha_gradients) {
  for_grid(rows.count, [&](Index r) {
    const MixingRow& row = rows.rows[r];
    const float* p = mixing + row.offset;
    const double* g = gradients + row.offset;
    double mean = 0;
    for (int64_t k = 0; k < row.length; ++k) mean += p[k] * g[k];
    for (int64_t k = 0; k < row.length; ++k) {
      const double slope = row.sigmoid ? (1 - static_cast<double>(p[k])) * g[k] : g[k] - mean;
      alpha_gradients[row.offset + k] = static_cast<float>(p[k] * slope);
    }
  });
}

void mixing_backward(Stream& stream, const MixingRow* rows, int64_t count, const float* mixing,
                     const double* mixing_gradients, float* alpha_gradients) {
  for_rows(rows, count, [&](const Rows& part) {
    launch(CudaStream::of(stream), mixing_backward_kernel, elementwise(part.count), part, mixing, mixing_gradients,
           alpha_gradients);
  });
}

// --- Batches

// `word` as a number below `bound`.
__device__ int64_t below(uint32_t word, int64_t bound) {
  return static_cast<int64_t>((static_cast<uint64_t>(word) * static_cast<uint64_t>(bound)) >> 32);
}

// Where a pixel of an augmented image comes from: its first channel within the dataset, below 0 outside the image.
struct PixelSource {
  int64_t at = -1;
  bool hole = false;

  __device__ PixelSource(const GatherCall& g, const GatherSettings& settings, Index sample, Index y, Index x) {
    int64_t source_y = y, source_x = x;
    if (settings.random != 0) {
      const PhiloxBlock block = philox(settings.stream, static_cast<uint32_t>(sample));
      const bool mirror = settings.flip != 0 && (block.word[2] >> 31) != 0;
      source_y = y + below(block.word[0], 2 * int64_t{settings.pad} + 1) - settings.pad;
      source_x = (mirror ? g.width - 1 - x : x) + below(block.word[1], 2 * int64_t{settings.pad} + 1) - settings.pad;
      const int64_t top = below(block.word[3] & 0xffff0000u, g.height) - settings.cutout / 2;
      const int64_t left = below(block.word[3] << 16, g.width) - settings.cutout / 2;
      hole = y >= top && y < top + settings.cutout && x >= left && x < left + settings.cutout;
    }
    if (source_y < 0 || source_y >= g.height || source_x < 0 || source_x >= g.width) return;
    at = ((g.indices[sample] * g.height + source_y) * g.width + source_x) * g.channels;
  }
  __device__ float value(const GatherCall& g, int64_t channel) const {
    const unsigned byte = at < 0 ? 0 : g.images[at + channel];
    return hole ? 0.0f : g.table[channel * 256 + byte];
  }
};

// One thread a pixel; each draws the augmentation of its image, and of a partner, anew, which costs less than a second
// kernel.
__global__ void __launch_bounds__(kThreads) gather_kernel(GatherCall g) {
  const GatherSettings settings = *g.settings;
  const Index width = static_cast<Index>(g.width), area = static_cast<Index>(g.height) * width;
  const float rest = 1 - settings.share;
  for_grid(g.batch * area, [&](Index item) {
    const Index sample = item / area, y = item % area / width, x = item % width;
    const Index partner = static_cast<Index>(partner_of(sample, g.batch));
    const PixelSource own(g, settings, sample, y, x);
    if (settings.share == 1 || partner == sample) {
      for (int64_t c = 0; c < g.channels; ++c) g.output[item * g.channels + c] = own.value(g, c);
    } else {
      const PixelSource other(g, settings, partner, y, x);
      for (int64_t c = 0; c < g.channels; ++c) {
        g.output[item * g.channels + c] = fmaf(settings.share, own.value(g, c), rest * other.value(g, c));
      }
    }
    if (item % area != 0) return;
    g.labels[sample] = g.all_labels[g.indices[sample]];
    g.labels[g.batch + sample] = g.all_labels[g.indices[partner]];
  });
}

void gather(Stream& stream, const GatherCall& call) {
  launch(CudaStream::of(stream), gather_kernel, elementwise(call.batch * call.height * call.width), call);
}

}  // namespace

const Sweeps sweep_kernels = {
    .squared_norm = squared_norm,
    .squared_norm_workspace_bytes = squared_norm_workspace_bytes,
    .sgd = sgd,
    .adam = adam,
    .average = average,
    .unrolled_step = unrolled_step,
    .perturb = perturb,
    .combine_hypergradient = combine_hypergradient,
    .gather = gather,
    .mixing_forward = mixing_forward,
    .mixing_backward = mixing_backward,
    .measure_peak = measure_peak,
};

}  // namespace dartsmith::cuda
