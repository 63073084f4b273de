// relu, add, concat, crop, zero.
#include "cuda/elementwise.cuh"
#include "cuda/kernels.h"
#include "cuda/launch.h"

namespace dartsmith::cuda {
namespace {

using namespace elementwise;

template <bool backward>
__global__ void __launch_bounds__(kThreads) relu_kernel(DARTSMITH_ARGUMENT(Group<Relu>) group) {
  begin_kernel();
  apply_relu<backward>(group);
}
__global__ void __launch_bounds__(kThreads) window_copy_kernel(DARTSMITH_ARGUMENT(Group<WindowCopy>) group) {
  begin_kernel();
  copy_windows(group);
}

Work work_of(const Tensor& tensor) {
  return {divide_up(items_of(tensor), kItemsATask)};
}

bool wanted(const KernelCall& call, int k) {
  return call.input_gradients[k].mode != GradientMode::kIgnore;
}
bool accumulates(const KernelCall& call, int k) {
  return call.input_gradients[k].mode == GradientMode::kAccumulate;
}

void relu_forward(Stream& stream, const KernelCall* calls, int count) {
  for_parts(calls, count, [&](const KernelCall* part, int size) {
    Group<Relu> group;
    for (int m = 0; m < size; ++m) {
      const int64_t items = items_of(part[m].output);
      group.add({view_of(part[m].inputs[0]), {}, view_of(part[m].output), false, items, 0},
                divide_up(items, kItemsATask));
    }
    launch(CudaStream::of(stream), KernelOf<Group<Relu>>{relu_kernel<false>}, {group.tasks}, group);
  });
}

void relu_backward(Stream& stream, const KernelCall* calls, int count) {
  for_parts(calls, count, [&](const KernelCall* part, int size) {
    Group<Relu> group;
    for (int m = 0; m < size; ++m) {
      const KernelCall& call = part[m];
      if (!wanted(call, 0)) continue;
      const int64_t items = items_of(call.output);
      group.add(
          {view_of(call.output), output_gradient_of(call), input_gradient_of(call, 0), accumulates(call, 0), items, 0},
          divide_up(items, kItemsATask));
    }
    launch(CudaStream::of(stream), KernelOf<Group<Relu>>{relu_kernel<true>}, {group.tasks}, group);
  });
}

// Sums are taken so many at a time; a later launch goes on with the sum so far.
inline constexpr int kTerms = 16;
struct Terms {
  View views[kTerms];
  int count;
};

__global__ void __launch_bounds__(kThreads) add_kernel(Terms terms, View sum, bool accumulate, int64_t items) {
  begin_kernel();
  for_grid(items, [&](Index item) {
    const Place at(item, sum.channels);
    float4 total = accumulate ? sum.load(at.pixel, at.channel) : terms.views[0].load(at.pixel, at.channel);
    for (int k = accumulate ? 0 : 1; k < terms.count; ++k) {
      total = total + terms.views[k].load(at.pixel, at.channel);
    }
    sum.store(at.pixel, at.channel, total);
  });
}

void add_forward(Stream& stream, const KernelCall& call) {
  for (int first = 0; first < call.input_count; first += kTerms) {
    Terms terms{};
    terms.count = static_cast<int>(smaller(kTerms, call.input_count - first));
    for (int k = 0; k < terms.count; ++k) terms.views[k] = view_of(call.inputs[first + k]);
    launch(CudaStream::of(stream), add_kernel, work_of(call.output), terms, view_of(call.output), first > 0,
           items_of(call.output));
  }
}

void add_backward(Stream& stream, const KernelCall& call) {
  for (int k = 0; k < call.input_count; ++k) {
    if (!wanted(call, k)) continue;
    Terms terms{};
    terms.count = 1;
    terms.views[0] = output_gradient_of(call);
    launch(CudaStream::of(stream), add_kernel, work_of(call.output), terms, input_gradient_of(call, k),
           accumulates(call, k), items_of(call.output));
  }
}

// Copies that do not touch each other's targets, as many as there are.
class Copies {
 public:
  explicit Copies(Stream& stream) : stream_(CudaStream::of(stream)) {}
  void add(const WindowCopy& copy) {
    if (group_.count == kMembers) start();
    group_.add(copy, divide_up(copy.items(), kItemsATask));
  }
  // Those added since the last time.
  void start() {
    launch(stream_, KernelOf<Group<WindowCopy>>{window_copy_kernel}, {group_.tasks}, group_);
    group_ = {};
  }

 private:
  CudaStream& stream_;
  Group<WindowCopy> group_;
};

// A copy of `part`, for now from and to tensors of its height and width.
WindowCopy copy_of(const Tensor& part) {
  WindowCopy copy{};
  copy.batch = part.batch;
  copy.height = static_cast<int>(part.height);
  copy.width = static_cast<int>(part.width);
  copy.channels = static_cast<int>(part.channels);
  copy.from_height = copy.to_height = copy.height;
  copy.from_width = copy.to_width = copy.width;
  return copy;
}

void concat_forward(Stream& stream, const KernelCall* calls, int count) {
  Copies copies(stream);
  for (const KernelCall* call = calls; call < calls + count; ++call) {
    int channel = 0;
    for (int k = 0; k < call->input_count; ++k) {
      WindowCopy copy = copy_of(call->inputs[k]);
      copy.from = view_of(call->inputs[k]);
      copy.to = view_of(call->output);
      copy.to_channel = channel;
      copies.add(copy);
      channel += static_cast<int>(call->inputs[k].channels);
    }
  }
  copies.start();
}

// Whether an earlier input of the call has the same gradient: that one must be written first.
bool repeats(const KernelCall& call, int k) {
  for (int earlier = 0; earlier < k; ++earlier) {
    if (call.input_gradients[earlier].data == call.input_gradients[k].data) return true;
  }
  return false;
}

void concat_backward(Stream& stream, const KernelCall* calls, int count) {
  Copies copies(stream);
  for (const KernelCall* call = calls; call < calls + count; ++call) {
    int channel = 0;
    for (int k = 0; k < call->input_count; ++k) {
      if (wanted(*call, k)) {
        if (repeats(*call, k)) copies.start();
        WindowCopy copy = copy_of(call->inputs[k]);
        copy.from = output_gradient_of(*call);
        copy.from_channel = channel;
        copy.to = input_gradient_of(*call, k);
        copy.accumulate = accumulates(*call, k);
        copies.add(copy);
      }
      channel += static_cast<int>(call->inputs[k].channels);
    }
  }
  copies.start();
}

void copy_alone(Stream& stream, const WindowCopy& copy) {
  Copies copies(stream);
  copies.add(copy);
  copies.start();
}

void crop_forward(Stream& stream, const KernelCall& call) {
  const CropAttributes& crop = attributes_of<CropAttributes>(call);
  WindowCopy copy = copy_of(call.output);
  copy.from = view_of(call.inputs[0]);
  copy.from_height = static_cast<int>(call.inputs[0].height);
  copy.from_width = static_cast<int>(call.inputs[0].width);
  copy.from_top = crop.top;
  copy.from_left = crop.left;
  copy.to = view_of(call.output);
  copy_alone(stream, copy);
}

void clear_tensor(Stream& stream, float* data, const Tensor& like, Precision precision) {
  const auto bytes = static_cast<size_t>(pixels_of(like) * like.channels * element_bytes(precision));
  check(cudaMemsetAsync(data, 0, bytes, CudaStream::of(stream).handle()), "clearing a tensor");
}

void crop_backward(Stream& stream, const KernelCall& call) {
  if (!wanted(call, 0)) return;
  const CropAttributes& crop = attributes_of<CropAttributes>(call);
  const Tensor& in = call.inputs[0];
  const GradientTarget& target = call.input_gradients[0];
  if (!accumulates(call, 0)) clear_tensor(stream, target.data, in, target.precision);
  WindowCopy copy = copy_of(call.output);
  copy.from = output_gradient_of(call);
  copy.to = input_gradient_of(call, 0);
  copy.to_height = static_cast<int>(in.height);
  copy.to_width = static_cast<int>(in.width);
  copy.to_top = crop.top;
  copy.to_left = crop.left;
  copy.accumulate = true;
  copy_alone(stream, copy);
}

void zero_forward(Stream& stream, const KernelCall& call) {
  clear_tensor(stream, call.output.data, call.output, call.output.precision);
}

}  // namespace

const OpKernels relu_kernels = {.groups_inputs = true, .forward_group = relu_forward, .backward_group = relu_backward};
const OpKernels add_kernels = {add_forward, add_backward, nullptr};
const OpKernels concat_kernels = {
    .groups_inputs = true, .forward_group = concat_forward, .backward_group = concat_backward};
const OpKernels crop_kernels = {crop_forward, crop_backward, nullptr};
const OpKernels zero_kernels = {zero_forward, nullptr, nullptr};

}  // namespace dartsmith::cuda
