// Batch normalisation (Ioffe and Szegedy, arXiv:1502.03167): materialised ones (batchNorm: pieces, then their join,
// then a pass over the tensor), and the statistics of lazy ones, which their consumers apply (moments), with the
// gradient of the tensor that such a consumer normalised.
#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "cuda/moments.cuh"
#include "cuda/sample_dropout.cuh"

namespace dartsmith::cuda {
namespace {

// A tensor cut into pieces of pixels and chunks of channels.
struct Cut {
  int64_t pixels;
  int channels;
  int64_t pieces;
  int chunks;

  Cut() = default;
  explicit Cut(const Tensor& tensor)
      : pixels(pixels_of(tensor)),
        channels(static_cast<int>(tensor.channels)),
        pieces(divide_up(pixels, kPiecePixels)),
        chunks(static_cast<int>(divide_up(channels, kChunk))) {}
  __host__ __device__ int64_t tasks() const { return pieces * chunks; }
  __host__ __device__ Index piece(Index task) const { return task / chunks; }
  __host__ __device__ int chunk(Index task) const { return static_cast<int>(task % chunks) * kChunk; }
  __host__ __device__ int64_t begin(Index piece) const { return piece * kPiecePixels; }
  __host__ __device__ int count(Index piece) const {
    return static_cast<int>(smaller(kPiecePixels, pixels - begin(piece)));
  }
};

struct Parts {
  float4* scratch;
  __host__ __device__ explicit Parts(Shared& shared) : scratch(shared.take<float4>(kWarps * kChunk / 4)) {}
};

// What a thread works on in a task.
struct Lane {
  Spread spread;
  int channel;
  int64_t piece, first;
  int pixels;

  __device__ Lane(const Cut& cut, Index task)
      : spread(cut.channels - cut.chunk(task)),
        channel(cut.chunk(task) + spread.vector * 4),
        piece(cut.piece(task)),
        first(cut.begin(piece)),
        pixels(cut.count(piece)) {}
  // Calls body(pixel) for this thread's pixels.
  template <typename Body>
  __device__ __forceinline__ void for_pixels(const Body& body) const {
    for (int p = spread.row; p < pixels; p += spread.rows) body(first + p);
  }
};

// What forward works on; `y` stays as it is where only statistics are wanted.
struct Forward {
  Cut cut;
  View x, y;
  Normalisation norm;
  const float* scale;
  const float* shift;
  Partials partials;
  int64_t first_task;
};

Partials partials_of(const KernelCall& call, const Cut& cut) {
  return {static_cast<float*>(call.workspace), cut.channels, cut.pieces};
}

// As many calls as a launch takes.
Group<Forward> forward_group(const KernelCall* calls, int count) {
  Group<Forward> group;
  for (const KernelCall* call = calls; call < calls + count; ++call) {
    const Cut cut(call->inputs[0]);
    group.add({cut, view_of(call->inputs[0]), view_of(call->output), normalisation_of(*call), call->weight, call->bias,
               partials_of(*call, cut), 0},
              cut.tasks());
  }
  return group;
}

// A warp for every channel of the member that has most.
template <typename Member>
Work a_warp_a_channel(const Group<Member>& group) {
  int64_t channels = 0;
  for (int m = 0; m < group.count; ++m) channels = larger(channels, group.members[m].cut.channels);
  return {divide_up(channels, kWarps)};
}

// --- Statistics

__global__ void __launch_bounds__(kThreads) moments_pieces_kernel(DARTSMITH_ARGUMENT(Group<Forward>) group) {
  begin_kernel();
  Shared shared(shared_memory());
  const Parts parts(shared);
  for_members(group, [&](const Forward& f, Index task) {
    const Lane lane(f.cut, task);
    piece_moments(
        lane.spread, lane.pixels, lane.channel, [&](int p) { return f.x.load(lane.first + p, lane.channel); },
        parts.scratch, f.partials, lane.piece);
  });
}

__global__ void __launch_bounds__(kThreads) moments_join_kernel(DARTSMITH_ARGUMENT(Group<Forward>) group) {
  begin_kernel();
  for (int m = 0; m < group.count; ++m) {
    const Forward& f = group.members[m];
    for_warps(f.cut.channels, [&](Index channel) {
      finish_moments(f.norm, f.partials, static_cast<int>(channel), static_cast<double>(f.cut.pixels),
                     [&](Index piece) { return f.cut.count(piece); });
    });
  }
}

void start_moments(CudaStream& stream, const Group<Forward>& group) {
  if (group.members[0].norm.statistics != Statistics::kRunning) {
    launch(stream, KernelOf<Group<Forward>>{moments_pieces_kernel}, {group.tasks, shared_bytes<Parts>()}, group);
  }
  launch(stream, KernelOf<Group<Forward>>{moments_join_kernel}, a_warp_a_channel(group), group);
}

void moments_forward(Stream& stream, const KernelCall* calls, int count) {
  for_parts(calls, count, [&](const KernelCall* part, int size) {
    start_moments(CudaStream::of(stream), forward_group(part, size));
  });
}

struct MapBackward {
  Cut cut;
  View x, gradient;
  const float* map;
  SampleDropout dropout;
  Index image_pixels;
  View target;
  bool accumulate;
  int64_t first_task;
};

// What a pixel's gradient is multiplied by: drawn again where another sample begins.
struct Kept {
  const MapBackward& b;
  Index image = ~Index{0};
  float factor = 1;
  __device__ __forceinline__ float of(Index pixel) {
    if (b.dropout.settings == nullptr || pixel / b.image_pixels == image) return factor;
    image = pixel / b.image_pixels;
    return factor = b.dropout.factor(image);
  }
};

__global__ void __launch_bounds__(kThreads) moments_backward_kernel(DARTSMITH_ARGUMENT(Group<MapBackward>) group) {
  begin_kernel();
  for_members(group, [&](const MapBackward& b, Index task) {
    const Lane lane(b.cut, task);
    if (lane.channel >= b.cut.channels) return;
    const GradientMap apply(b.map, lane.channel, b.cut.channels);
    Kept kept{b};
    lane.for_pixels([&](int64_t pixel) {
      const float4 gradient = splat(kept.of(static_cast<Index>(pixel))) * b.gradient.load(pixel, lane.channel);
      const float4 dx = apply(gradient, b.x.load(pixel, lane.channel));
      b.target.add(pixel, lane.channel, dx, b.accumulate);
    });
  });
}

void moments_backward(Stream& stream, const KernelCall* calls, int count) {
  for_parts(calls, count, [&](const KernelCall* part, int size) {
    Group<MapBackward> group;
    for (const KernelCall* call = part; call < part + size; ++call) {
      const GradientTarget& target = call->input_gradients[0];
      if (target.mode == GradientMode::kIgnore) continue;
      const Cut cut(call->inputs[0]);
      group.add(
          {cut, view_of(call->inputs[0]), output_gradient_of(*call), call->output_gradient_map,
           sample_dropout_of(*call, call->output_dropout), static_cast<Index>(call->output.height * call->output.width),
           input_gradient_of(*call, 0), target.mode == GradientMode::kAccumulate, 0},
          cut.tasks());
    }
    launch(CudaStream::of(stream), moments_backward_kernel, {group.tasks}, group);
  });
}

size_t moments_bytes(const KernelCall& call, bool backward) {
  const Cut cut(call.inputs[0]);
  return backward ? 0 : static_cast<size_t>(cut.pieces * 2 * cut.channels) * sizeof(float);
}

// --- Materialised

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

const OpKernels moments_kernels = {.workspace_bytes = moments_bytes,
                                   .groups_inputs = true,
                                   .forward_group = moments_forward,
                                   .backward_group = moments_backward};
const OpKernels batch_norm_kernels = {
    .workspace_bytes = workspace_bytes, .groups_inputs = true, .forward_group = forward, .backward_group = backward};

}  // namespace dartsmith::cuda
