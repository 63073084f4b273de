// moments: the statistics of a lazy batch-norm, and the gradient of the tensor that its consumer normalised.
#include "cuda/batch_norm.cuh"
#include "cuda/kernels.h"
#include "cuda/sample_dropout.cuh"

namespace dartsmith::cuda {
namespace {

using namespace batch_norm;

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

void forward(Stream& stream, const KernelCall* calls, int count) {
  for_parts(calls, count, [&](const KernelCall* part, int size) {
    start_moments(CudaStream::of(stream), forward_group(part, size));
  });
}

struct Backward {
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
  const Backward& b;
  Index image = ~Index{0};
  float factor = 1;
  __device__ __forceinline__ float of(Index pixel) {
    if (b.dropout.settings == nullptr || pixel / b.image_pixels == image) return factor;
    image = pixel / b.image_pixels;
    return factor = b.dropout.factor(image);
  }
};

__global__ void __launch_bounds__(kThreads) moments_backward_kernel(DARTSMITH_ARGUMENT(Group<Backward>) group) {
  begin_kernel();
  for_members(group, [&](const Backward& b, Index task) {
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

void backward(Stream& stream, const KernelCall* calls, int count) {
  for_parts(calls, count, [&](const KernelCall* part, int size) {
    Group<Backward> group;
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

size_t workspace_bytes(const KernelCall& call, bool backward) {
  const Cut cut(call.inputs[0]);
  return backward ? 0 : static_cast<size_t>(cut.pieces * 2 * cut.channels) * sizeof(float);
}

}  // namespace

void batch_norm::start_moments(CudaStream& stream, const Group<Forward>& group) {
  if (group.members[0].norm.statistics != Statistics::kRunning) {
    launch(stream, KernelOf<Group<Forward>>{moments_pieces_kernel}, {group.tasks, shared_bytes<Parts>()}, group);
  }
  launch(stream, KernelOf<Group<Forward>>{moments_join_kernel}, a_warp_a_channel(group), group);
}

const OpKernels moments_kernels = {
    .workspace_bytes = workspace_bytes, .groups_inputs = true, .forward_group = forward, .backward_group = backward};

}  // namespace dartsmith::cuda
