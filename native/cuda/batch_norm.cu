// Batch normalisation (Ioffe and Szegedy, arXiv:1502.03167), materialised, and the statistics of lazy ones (moments).
// Cooperative: pieces, then their join, then a pass over the tensor.
#include "cuda/kernels.h"
#include "cuda/moments.h"

namespace dartsmith::cuda {
namespace {

// A tensor cut into pieces of pixels and chunks of channels.
struct Cut {
  int64_t pixels;
  int channels;
  int64_t pieces;
  int chunks;

  explicit Cut(const Tensor& tensor)
      : pixels(pixels_of(tensor)),
        channels(static_cast<int>(tensor.channels)),
        pieces(divide_up(pixels, kPiecePixels)),
        chunks(static_cast<int>(divide_up(channels, kChunk))) {}
  __host__ __device__ int64_t tasks() const { return pieces * chunks; }
  __host__ __device__ int64_t piece(int64_t task) const { return task / chunks; }
  __host__ __device__ int chunk(int64_t task) const { return static_cast<int>(task % chunks) * kChunk; }
  __host__ __device__ int64_t begin(int64_t piece) const { return piece * kPiecePixels; }
  __host__ __device__ int count(int64_t piece) const {
    return static_cast<int>(smaller(kPiecePixels, pixels - begin(piece)));
  }
};

struct Parts {
  float4* scratch;
  __host__ __device__ explicit Parts(Shared& shared) : scratch(shared.take<float4>(kWarps * kChunk / 4)) {}
};

Work work_of(const Cut& cut) { return {cut.tasks(), shared_bytes<Parts>()}; }

__device__ void find_moments(const Cut& cut, const View& x, const Normalisation& norm, const Partials& partials,
                             float4* scratch) {
  if (norm.statistics != Statistics::kRunning) {
    for_tasks(cut.tasks(), [&](int64_t task) {
      const int64_t piece = cut.piece(task), first = cut.begin(piece);
      const Spread spread(cut.channels - cut.chunk(task));
      const int channel = cut.chunk(task) + spread.vector * 4;
      piece_moments(
          spread, cut.count(piece), channel, [&](int p) { return x.load(first + p, channel); }, scratch, partials,
          piece);
    });
  }
  wait_for_grid();
  for_warps(cut.channels, [&](int64_t channel) {
    finish_moments(norm, partials, static_cast<int>(channel), static_cast<double>(cut.pixels),
                   [&](int64_t piece) { return cut.count(piece); });
  });
}

__global__ void __launch_bounds__(kThreads)
    moments_forward_kernel(Cut cut, View x, Normalisation norm, Partials partials) {
  Shared shared(shared_memory());
  const Parts parts(shared);
  find_moments(cut, x, norm, partials, parts.scratch);
}

// Calls body(pixel, channel) for this thread's vectors of a task.
template <typename Body>
__device__ void for_vectors(const Cut& cut, int64_t task, const Spread& spread, const Body& body) {
  const int64_t piece = cut.piece(task), first = cut.begin(piece);
  for (int p = spread.row; p < cut.count(piece); p += spread.rows) body(first + p);
}

__global__ void __launch_bounds__(kThreads)
    batch_norm_forward_kernel(Cut cut, View x, View y, Normalisation norm, const float* scale, const float* shift,
                              Partials partials) {
  Shared shared(shared_memory());
  const Parts parts(shared);
  find_moments(cut, x, norm, partials, parts.scratch);
  wait_for_grid();
  for_tasks(cut.tasks(), [&](int64_t task) {
    const Spread spread(cut.channels - cut.chunk(task));
    const int channel = cut.chunk(task) + spread.vector * 4;
    if (channel >= cut.channels) return;
    const Preactivation normalise({norm.saved, scale, shift}, channel, cut.channels);
    for_vectors(cut, task, spread,
                [&](int64_t pixel) { y.store(pixel, channel, normalise(x.load(pixel, channel))); });
  });
}

Partials partials_of(const KernelCall& call, const Cut& cut) {
  return {static_cast<float*>(call.workspace), cut.channels, cut.pieces};
}

void moments_forward(Stream& stream, const KernelCall& call) {
  const Cut cut(call.inputs[0]);
  launch_cooperative(CudaStream::of(stream), moments_forward_kernel, work_of(cut), cut, view_of(call.inputs[0]),
                     normalisation_of(call), partials_of(call, cut));
}

void batch_norm_forward(Stream& stream, const KernelCall& call) {
  const Cut cut(call.inputs[0]);
  launch_cooperative(CudaStream::of(stream), batch_norm_forward_kernel, work_of(cut), cut, view_of(call.inputs[0]),
                     view_of(call.output), normalisation_of(call), call.weight, call.bias, partials_of(call, cut));
}

__global__ void __launch_bounds__(kThreads)
    moments_backward_kernel(Cut cut, View x, View gradient, const float* map, View target, bool accumulate) {
  for_tasks(cut.tasks(), [&](int64_t task) {
    const Spread spread(cut.channels - cut.chunk(task));
    const int channel = cut.chunk(task) + spread.vector * 4;
    if (channel >= cut.channels) return;
    const GradientMap apply(map, channel, cut.channels);
    for_vectors(cut, task, spread, [&](int64_t pixel) {
      target.add(pixel, channel, apply(gradient.load(pixel, channel), x.load(pixel, channel)), accumulate);
    });
  });
}

void moments_backward(Stream& stream, const KernelCall& call) {
  const GradientTarget& target = call.input_gradients[0];
  if (target.mode == GradientMode::kIgnore) return;
  const Cut cut(call.inputs[0]);
  launch(CudaStream::of(stream), moments_backward_kernel, {cut.tasks()}, cut, view_of(call.inputs[0]),
         view_of(call.output_gradient, cut.channels), call.output_gradient_map, view_of(target.data, cut.channels),
         target.mode == GradientMode::kAccumulate);
}

struct BatchNormBackward {
  View x;  // normalised already where there is no scale: the output, since the input may be gone
  const float* statistics;  // null then
  View gradient;
  const float* reciprocal_deviation;  // [channels]
  const float* scale;
  float* scale_gradient;
  float* shift_gradient;
  View target;
  GradientMode mode;
  Partials partials;  // of dy; of dy * (x - mean)
  float* means;       // of dy; of dy * normalised x [2, channels]
};

__global__ void __launch_bounds__(kThreads) batch_norm_backward_kernel(Cut cut, BatchNormBackward b) {
  Shared shared(shared_memory());
  const Parts parts(shared);
  for_tasks(cut.tasks(), [&](int64_t task) {
    const Spread spread(cut.channels - cut.chunk(task));
    const int channel = cut.chunk(task) + spread.vector * 4;
    float4 gradients = splat(0), products = splat(0);
    if (channel < cut.channels) {
      const float4 mean = channel_values(b.statistics, channel, cut.channels);
      for_vectors(cut, task, spread, [&](int64_t pixel) {
        const float4 g = b.gradient.load(pixel, channel);
        gradients = gradients + g;
        products = fused(g, b.x.load(pixel, channel) - mean, products);
      });
    }
    gradients = sum_rows(spread, gradients, parts.scratch);
    products = sum_rows(spread, products, parts.scratch);
    if (spread.row == 0 && channel < cut.channels) {
      b.partials.store(0, channel, cut.piece(task), gradients);
      b.partials.store(1, channel, cut.piece(task), products);
    }
  });
  wait_for_grid();
  for_warps(cut.channels, [&](int64_t c) {
    const int channel = static_cast<int>(c), lane = static_cast<int>(threadIdx.x) % kLanes;
    double gradient = 0, product = 0;
    for (int64_t piece = lane; piece < cut.pieces; piece += kLanes) {
      gradient += b.partials.at(0, channel, piece);
      product += b.partials.at(1, channel, piece);
    }
    gradient = warp_sum(gradient);
    product = warp_sum(product);
    if (lane != 0) return;
    if (b.statistics != nullptr) product *= b.statistics[cut.channels + channel];
    if (b.scale_gradient != nullptr) b.scale_gradient[channel] = static_cast<float>(product);
    if (b.shift_gradient != nullptr) b.shift_gradient[channel] = static_cast<float>(gradient);
    b.means[channel] = static_cast<float>(gradient / static_cast<double>(cut.pixels));
    b.means[cut.channels + channel] = static_cast<float>(product / static_cast<double>(cut.pixels));
  });
  if (b.mode == GradientMode::kIgnore) return;
  wait_for_grid();
  for_tasks(cut.tasks(), [&](int64_t task) {
    const Spread spread(cut.channels - cut.chunk(task));
    const int channel = cut.chunk(task) + spread.vector * 4;
    if (channel >= cut.channels) return;
    const Preactivation normalise({b.statistics, nullptr, nullptr}, channel, cut.channels);
    const float4 mean = channel_values(b.means, channel, cut.channels);
    const float4 slope = channel_values(b.means + cut.channels, channel, cut.channels);
    const float4 factor = channel_values(b.reciprocal_deviation, channel, cut.channels) *
                          channel_values(b.scale, channel, cut.channels, 1);
    for_vectors(cut, task, spread, [&](int64_t pixel) {
      const float4 x = normalise(b.x.load(pixel, channel));
      const float4 dx = factor * (b.gradient.load(pixel, channel) - mean - x * slope);
      b.target.add(pixel, channel, dx, b.mode == GradientMode::kAccumulate);
    });
  });
}

void batch_norm_backward(Stream& stream, const KernelCall& call) {
  const Cut cut(call.inputs[0]);
  const bool affine = call.weight != nullptr;
  const Partials partials = partials_of(call, cut);
  const BatchNormBackward backward{
      .x = affine ? view_of(call.inputs[0]) : view_of(call.output),
      .statistics = affine ? call.saved : nullptr,
      .gradient = view_of(call.output_gradient, cut.channels),
      .reciprocal_deviation = call.saved + cut.channels,
      .scale = call.weight,
      .scale_gradient = call.weight_gradient,
      .shift_gradient = call.bias_gradient,
      .target = view_of(call.input_gradients[0].data, cut.channels),
      .mode = call.input_gradients[0].mode,
      .partials = partials,
      .means = partials.data + 2 * cut.channels * cut.pieces,
  };
  launch_cooperative(CudaStream::of(stream), batch_norm_backward_kernel, work_of(cut), cut, backward);
}

size_t workspace_bytes(const KernelCall& call, bool backward) {
  const Cut cut(call.inputs[0]);
  return static_cast<size_t>((cut.pieces + (backward ? 1 : 0)) * 2 * cut.channels) * sizeof(float);
}

size_t moments_workspace_bytes(const KernelCall& call, bool backward) {
  return backward ? 0 : workspace_bytes(call, false);
}

}  // namespace

const OpKernels batch_norm_kernels = {batch_norm_forward, batch_norm_backward, workspace_bytes};
const OpKernels moments_kernels = {moments_forward, moments_backward, moments_workspace_bytes};

}  // namespace dartsmith::cuda
