// relu, add, concat, crop, zero: one pass over memory, four channels a thread.
#include <optional>

#include "cuda/kernels.h"

namespace dartsmith::cuda {
namespace {

inline constexpr int64_t kItemsATask = kThreads;

// Where an item of a tensor lies: four channels of a pixel.
struct Place {
  Index pixel;
  int channel;

  __device__ Place(Index item, int channels) {
    const Index vectors = static_cast<Index>(channels + 3) / 4;
    pixel = item / vectors;
    channel = static_cast<int>(item % vectors) * 4;
  }
};

int64_t items_of(const Tensor& tensor) {
  return pixels_of(tensor) * divide_up(tensor.channels, 4);
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

struct Relu {
  View from;  // x, or y in backward
  View gradient;
  View to;
  bool accumulate;
  int64_t items;
  int64_t first_task;
};

template <bool backward>
__global__ void __launch_bounds__(kThreads) relu_kernel(const __grid_constant__ Group<Relu> group) {
  for_members(group, [&](const Relu& r, Index task) {
    const Index item = task * static_cast<Index>(kItemsATask) + threadIdx.x;
    if (item >= r.items) return;
    const Place at(item, r.to.channels);
    const float4 value = r.from.load(at.pixel, at.channel);
    if constexpr (!backward) {
      r.to.store(at.pixel, at.channel, relu(value));
    } else {
      const float4 masked = map4(value, r.gradient.load(at.pixel, at.channel),
                                 [](float x, float gradient) { return x > 0 ? gradient : 0.0f; });
      r.to.add(at.pixel, at.channel, masked, r.accumulate);
    }
  });
}

void relu_forward(Stream& stream, const KernelCall* calls, int count) {
  for_parts(calls, count, [&](const KernelCall* part, int size) {
    Group<Relu> group;
    for (int m = 0; m < size; ++m) {
      const int64_t items = items_of(part[m].output);
      group.add({view_of(part[m].inputs[0]), {}, view_of(part[m].output), false, items, 0},
                divide_up(items, kItemsATask));
    }
    launch(CudaStream::of(stream), relu_kernel<false>, {group.tasks}, group);
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
    launch(CudaStream::of(stream), relu_kernel<true>, {group.tasks}, group);
  });
}

// Sums are taken so many at a time; a later launch goes on with the sum so far.
inline constexpr int kTerms = 16;
struct Terms {
  View views[kTerms];
  int count;
};

__global__ void __launch_bounds__(kThreads) add_kernel(Terms terms, View sum, bool accumulate, int64_t items) {
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

// Copies between tensors of which one is a window of the other: rows, columns and channels from an offset.
struct WindowCopy {
  View from, to;
  int64_t batch;
  int height, width, channels;  // of what is copied
  int from_height, from_width, to_height, to_width;
  int from_top = 0, from_left = 0, from_channel = 0;
  int to_top = 0, to_left = 0, to_channel = 0;
  bool accumulate = false;
  int64_t first_task = 0;

  __host__ __device__ int64_t items() const { return batch * height * width * divide_up(channels, 4); }
};

__device__ void copy_item(const WindowCopy& copy, Index item) {
  const bool vectors = copy.from.channels % 4 == 0 && copy.to.channels % 4 == 0 && copy.from_channel % 4 == 0 &&
                       copy.to_channel % 4 == 0 && copy.channels % 4 == 0;
  const Place at(item, copy.channels);
  const Index line = at.pixel / static_cast<Index>(copy.width), height = static_cast<Index>(copy.height);
  const int column = static_cast<int>(at.pixel % static_cast<Index>(copy.width));
  const int row = static_cast<int>(line % height);
  const int64_t image = line / height;
  const int64_t from = (image * copy.from_height + row + copy.from_top) * copy.from_width + column + copy.from_left;
  const int64_t to = (image * copy.to_height + row + copy.to_top) * copy.to_width + column + copy.to_left;
  if (vectors) {
    copy.to.add(to, at.channel + copy.to_channel, copy.from.load(from, at.channel + copy.from_channel),
                copy.accumulate);
    return;
  }
  for (int i = at.channel; i < at.channel + 4 && i < copy.channels; ++i) {
    copy.to.add(to * copy.to.channels + copy.to_channel + i,
                copy.from.get(from * copy.from.channels + copy.from_channel + i), copy.accumulate);
  }
}

__global__ void __launch_bounds__(kThreads) window_copy_kernel(const __grid_constant__ Group<WindowCopy> group) {
  for_members(group, [&](const WindowCopy& copy, Index task) {
    const Index item = task * static_cast<Index>(kItemsATask) + threadIdx.x;
    if (item < copy.items()) copy_item(copy, item);
  });
}

// Copies that do not touch each other's targets, as many as there are.
class Copies {
 public:
  explicit Copies(Stream& stream) : stream_(CudaStream::of(stream)) {}
  ~Copies() noexcept(false) { start(); }
  void add(const WindowCopy& copy) {
    if (group_.count == kMembers) start();
    group_.add(copy, divide_up(copy.items(), kItemsATask));
  }

 private:
  void start() {
    launch(stream_, window_copy_kernel, {group_.tasks}, group_);
    group_ = {};
  }
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
}

// Whether an earlier input of the call has the same gradient: that one must be written first.
bool repeats(const KernelCall& call, int k) {
  for (int earlier = 0; earlier < k; ++earlier) {
    if (call.input_gradients[earlier].data == call.input_gradients[k].data) return true;
  }
  return false;
}

void concat_backward(Stream& stream, const KernelCall* calls, int count) {
  std::optional<Copies> copies(stream);
  for (const KernelCall* call = calls; call < calls + count; ++call) {
    int channel = 0;
    for (int k = 0; k < call->input_count; ++k) {
      if (wanted(*call, k)) {
        if (repeats(*call, k)) copies.emplace(stream);
        WindowCopy copy = copy_of(call->inputs[k]);
        copy.from = output_gradient_of(*call);
        copy.from_channel = channel;
        copy.to = input_gradient_of(*call, k);
        copy.accumulate = accumulates(*call, k);
        copies->add(copy);
      }
      channel += static_cast<int>(call->inputs[k].channels);
    }
  }
}

void crop_forward(Stream& stream, const KernelCall& call) {
  WindowCopy copy = copy_of(call.output);
  copy.from = view_of(call.inputs[0]);
  copy.from_height = static_cast<int>(call.inputs[0].height);
  copy.from_width = static_cast<int>(call.inputs[0].width);
  copy.from_top = call.node->top;
  copy.from_left = call.node->left;
  copy.to = view_of(call.output);
  Copies(stream).add(copy);
}

void clear_tensor(Stream& stream, float* data, const Tensor& like, Precision precision) {
  const auto bytes = static_cast<size_t>(pixels_of(like) * like.channels * element_bytes(precision));
  check(cudaMemsetAsync(data, 0, bytes, CudaStream::of(stream).handle()), "clearing a tensor");
}

void crop_backward(Stream& stream, const KernelCall& call) {
  if (!wanted(call, 0)) return;
  const Tensor& in = call.inputs[0];
  const GradientTarget& target = call.input_gradients[0];
  if (!accumulates(call, 0)) clear_tensor(stream, target.data, in, target.precision);
  WindowCopy copy = copy_of(call.output);
  copy.from = output_gradient_of(call);
  copy.to = input_gradient_of(call, 0);
  copy.to_height = static_cast<int>(in.height);
  copy.to_width = static_cast<int>(in.width);
  copy.to_top = call.node->top;
  copy.to_left = call.node->left;
  copy.accumulate = true;
  Copies(stream).add(copy);
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
