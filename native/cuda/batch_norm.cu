// Batch normalisation (Ioffe and Szegedy, arXiv:1502.03167), materialised; lazy ones are moments applied by their
// consumer: pieces, then their join, then a pass over the tensor.
#include "cuda/batch_norm.cuh"
#include "cuda/kernels.h"

namespace dartsmith::cuda {
namespace {

using namespace batch_norm;

__global__ void __launch_bounds__(kThreads) batch_norm_forward_kernel(DARTSMITH_ARGUMENT(Group<Forward>) group) {
  begin_kernel();
  for_members(group, [&](const Forward& f, Index task) {
    const Lane lane(f.cut, task);
    if (lane.channel >= f.cut.channels) return;
    const Preactivation normalise({f.norm.saved, f.scale, f.shift}, lane.channel, f.cut.channels);
    lane.for_pixels([&](int64_t pixel) { f.y.store(pixel, lane.channel, normalise(f.x.load(pixel, lane.channel))); });
  });
}

void forward(Stream& stream, const KernelCall* calls, int count) {
  for_parts(calls, count, [&](const KernelCall* part, int size) {
    const Group<Forward> group = forward_group(part, size);
    start_moments(CudaStream::of(stream), group);
    launch(CudaStream::of(stream), KernelOf<Group<Forward>>{batch_norm_forward_kernel}, {group.tasks}, group);
  });
}

struct Backward {
  Cut cut;
  View x;                   // normalised already where there is no scale: the output, since the input may be gone
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
  double pixels;      // see statistics_pixels
  int64_t first_task;
};

__device__ void measure_gradient(const Backward& b, Index task, float4* scratch) {
  const Lane lane(b.cut, task);
  const bool inside = lane.channel < b.cut.channels;
  float4 gradients = splat(0), products = splat(0);
  if (inside) {
    const float4 mean = channel_values(b.statistics, lane.channel, b.cut.channels);
    lane.for_pixels([&](int64_t pixel) {
      const float4 g = b.gradient.load(pixel, lane.channel);
      gradients = gradients + g;
      products = fused(g, b.x.load(pixel, lane.channel) - mean, products);
    });
  }
  gradients = sum_rows(lane.spread, gradients, scratch);
  products = sum_rows(lane.spread, products, scratch);
  if (lane.spread.row == 0 && inside) {
    b.partials.store(0, lane.channel, lane.piece, gradients);
    b.partials.store(1, lane.channel, lane.piece, products);
  }
}

// One channel, a warp together.
__device__ void join_gradient(const Backward& b, int channel) {
  const double gradient = join_pieces(b.partials, 0, channel);
  double product = join_pieces(b.partials, 1, channel);
  if (threadIdx.x % kLanes != 0) return;
  if (b.statistics != nullptr) product *= b.statistics[b.cut.channels + channel];
  if (b.scale_gradient != nullptr) b.scale_gradient[channel] = static_cast<float>(product);
  if (b.shift_gradient != nullptr) b.shift_gradient[channel] = static_cast<float>(gradient);
  b.means[channel] = static_cast<float>(gradient / b.pixels);
  b.means[b.cut.channels + channel] = static_cast<float>(product / b.pixels);
}

// dx = scale * rstd * (dy - mean(dy) - xhat * mean(dy * xhat))
__device__ void input_gradient(const Backward& b, Index task) {
  const Lane lane(b.cut, task);
  const int channels = b.cut.channels, channel = lane.channel;
  if (channel >= channels || b.mode == GradientMode::kIgnore) return;
  const Preactivation normalise({b.statistics, nullptr, nullptr}, channel, channels);
  const float4 mean = channel_values(b.means, channel, channels);
  const float4 slope = channel_values(b.means + channels, channel, channels);
  const float4 factor =
      channel_values(b.reciprocal_deviation, channel, channels) * channel_values(b.scale, channel, channels, 1);
  lane.for_pixels([&](int64_t pixel) {
    const float4 x = normalise(b.x.load(pixel, channel));
    b.target.add(pixel, channel, factor * (b.gradient.load(pixel, channel) - mean - x * slope),
                 b.mode == GradientMode::kAccumulate);
  });
}

__global__ void __launch_bounds__(kThreads) batch_norm_pieces_kernel(DARTSMITH_ARGUMENT(Group<Backward>) group) {
  begin_kernel();
  Shared shared(shared_memory());
  const Parts parts(shared);
  for_members(group, [&](const Backward& b, Index task) { measure_gradient(b, task, parts.scratch); });
}
__global__ void __launch_bounds__(kThreads) batch_norm_join_kernel(DARTSMITH_ARGUMENT(Group<Backward>) group) {
  begin_kernel();
  for (int m = 0; m < group.count; ++m) {
    const Backward& b = group.members[m];
    for_warps(b.cut.channels, [&](Index channel) { join_gradient(b, static_cast<int>(channel)); });
  }
}
__global__ void __launch_bounds__(kThreads) batch_norm_backward_kernel(DARTSMITH_ARGUMENT(Group<Backward>) group) {
  begin_kernel();
  for_members(group, [&](const Backward& b, Index task) { input_gradient(b, task); });
}

Backward backward_of(const KernelCall& call) {
  const Cut cut(call.inputs[0]);
  const bool affine = call.weight != nullptr;
  const Partials partials = partials_of(call, cut);
  return {.cut = cut,
          .x = affine ? view_of(call.inputs[0]) : view_of(call.output),
          .statistics = affine ? call.saved : nullptr,
          .gradient = output_gradient_of(call),
          .reciprocal_deviation = call.saved + cut.channels,
          .scale = call.weight,
          .scale_gradient = call.weight_gradient,
          .shift_gradient = call.bias_gradient,
          .target = input_gradient_of(call, 0),
          .mode = call.input_gradients[0].mode,
          .partials = partials,
          .means = partials.data + 2 * cut.channels * cut.pieces,
          .pixels = statistics_pixels(call, cut.pixels),
          .first_task = 0};
}

void backward(Stream& stream, const KernelCall* calls, int count) {
  for_parts(calls, count, [&](const KernelCall* part, int size) {
    Group<Backward> group;
    for (const KernelCall* call = part; call < part + size; ++call) {
      const Backward backward = backward_of(*call);
      group.add(backward, backward.cut.tasks());
    }
    using Kernel = KernelOf<Group<Backward>>;
    CudaStream& own = CudaStream::of(stream);
    launch(own, Kernel{batch_norm_pieces_kernel}, {group.tasks, shared_bytes<Parts>()}, group);
    launch(own, Kernel{batch_norm_join_kernel}, a_warp_a_channel(group), group);
    launch(own, Kernel{batch_norm_backward_kernel}, {group.tasks}, group);
  });
}

size_t workspace_bytes(const KernelCall& call, bool backward) {
  const Cut cut(call.inputs[0]);
  return static_cast<size_t>((cut.pieces + (backward ? 1 : 0)) * 2 * cut.channels) * sizeof(float);
}

}  // namespace

const OpKernels batch_norm_kernels = {
    .workspace_bytes = workspace_bytes, .groups_inputs = true, .forward_group = forward, .backward_group = backward};
}  // namespace dartsmith::cuda
