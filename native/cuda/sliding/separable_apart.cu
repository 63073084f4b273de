#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "cuda/sliding/choice.h"
#include "cuda/sliding/depthwise.cuh"
#include "cuda/sliding/separable_apart.h"
#include "cuda/sliding/separable_calls.h"

namespace dartsmith::cuda::sliding {
namespace {

constexpr Conv2dAttributes kPointwise;
constexpr InputLink kPlainInput;

// Parts of a call's workspace, one behind another.
class Memory {
 public:
  explicit Memory(void* workspace) : memory_(static_cast<unsigned char*>(workspace)) {}
  void* take(int64_t bytes) {
    void* place = memory_ == nullptr ? nullptr : memory_ + bytes_;
    bytes_ += round_up(bytes, 256);
    return place;
  }
  size_t bytes() const { return static_cast<size_t>(bytes_); }

 private:
  unsigned char* memory_;
  int64_t bytes_ = 0;
};

Tensor like_output(const KernelCall& call, void* data) {
  Tensor tensor = call.output;
  tensor.data = static_cast<float*>(data);
  return tensor;
}

// --- Calls of the other ops that a separable consists of. They point to what is given.

KernelCall product_of(const KernelCall& call, const Tensor& depthwise) {
  KernelCall product = call;
  product.attributes = &kPointwise;
  product.inputs = &depthwise;
  product.links = &kPlainInput;
  product.weight = call.bias;
  product.bias = nullptr;
  return product;
}
KernelCall product_backward_of(const KernelCall& call, const Tensor& depthwise, void* gradient,
                               const GradientTarget& target) {
  KernelCall product = product_of(call, depthwise);
  product.output_gradient = static_cast<const float*>(gradient);
  product.gradient_precision = call.precision;
  product.output_gradient_map = nullptr;
  product.output_dropout = nullptr;
  product.input_gradients = &target;
  product.weight_gradient = wants_weights(call) ? call.bias_gradient : nullptr;
  product.bias_gradient = nullptr;
  return product;
}
KernelCall statistics_of(const KernelCall& call) {
  KernelCall statistics = call;
  statistics.inputs = &call.output;
  return statistics;
}

// --- Depthwise outputs

KernelStart<DepthwisePhase> depthwise_start(int kernel, bool half, int channels) {
  const size_t bytes = shared_bytes<DepthwiseParts>(channels);
  if (kernel == 3) return {half ? depthwise_kernel<3, true> : depthwise_kernel<3, false>, bytes};
  return {half ? depthwise_kernel<5, true> : depthwise_kernel<5, false>, bytes};
}

Cut cut_of(const KernelCall& call, int rows) {
  return {call.inputs[0], call.output, motion_of(call), kQuadColumns, rows};
}
int64_t threads_of(const KernelCall& call, int rows) {
  return call.output.batch * cut_of(call, rows).units_an_image() * (channels_of(call) / 2);
}

// Of calls of one kernel size.
void start_depthwise(CudaStream& stream, const Calls& calls, const Places& outputs) {
  const int count = static_cast<int>(calls.size());
  const int rows = strip_rows_of(calls.data(), count,
                                 [](const KernelCall& call, int tried) { return threads_of(call, tried) / kLanes; });
  DepthwisePhase phase;
  int64_t blocks = 0;
  int channels = 0;
  for (const KernelCall* own : calls) {
    const KernelCall& call = *own;
    DepthwiseMember& member = phase.members[phase.count++];
    blocks =
        place_member(call, motion_of(call), cut_of(call, rows), threads_of(call, rows), kBlockThreads, blocks, member);
    member.channels = static_cast<int>(channels_of(call));
    member.output = outputs.at(own);
    channels = std::max(channels, member.channels);
  }
  const KernelStart<DepthwisePhase> start =
      depthwise_start(kernel_of(*calls[0]), halved(calls[0]->precision), channels);
  launch_blocks(stream, start.kernel, {blocks, start.shared_bytes, kBlockThreads}, phase);
}

void run(CudaStream& stream, void (*group)(Stream&, const KernelCall*, int), const std::vector<KernelCall>& calls) {
  group(stream, calls.data(), static_cast<int>(calls.size()));
}

}  // namespace

bool takes_apart(int64_t channels, int64_t width) {
  constexpr int64_t kFewest = 24;
  constexpr int64_t kMost = 4096;                   // whose activation fits the shared memory of any block
  constexpr int64_t kMostInRow = int64_t{1} << 26;  // from row to row bytes are counted in 32 bits
  return channels >= kFewest && channels <= kMost && channels % 2 == 0 && !compiled_for(channels) &&
         width * channels < kMostInRow;
}

size_t forward_bytes_apart(const KernelCall& call) {
  Memory memory(nullptr);
  memory.take(output_bytes(call));
  memory.take(static_cast<int64_t>(moments_kernels.workspace_bytes(statistics_of(call), false)));
  return memory.bytes();
}

void forward_apart(CudaStream& stream, const Calls& calls) {
  std::vector<Tensor> depthwise(calls.size());
  std::vector<KernelCall> products, statistics;
  Places outputs;
  for (size_t i = 0; i < calls.size(); ++i) {
    const KernelCall& call = *calls[i];
    Memory memory(call.workspace);
    depthwise[i] = like_output(call, outputs[&call] = memory.take(output_bytes(call)));
    products.push_back(product_of(call, depthwise[i]));
    if (call.norm->statistics == Statistics::kKept) continue;
    statistics.push_back(statistics_of(call));
    statistics.back().workspace = memory.take(0);
  }
  start_depthwise(stream, calls, outputs);
  run(stream, conv2d_kernels.forward_group, products);
  if (!statistics.empty()) run(stream, moments_kernels.forward_group, statistics);
}

size_t output_bytes_apart(const KernelCall& call) {
  Memory memory(nullptr);
  memory.take(output_bytes(call));
  if (wants_weights(call)) {
    memory.take(output_bytes(call));
    KernelCall product = product_of(call, call.output);
    memory.take(static_cast<int64_t>(conv2d_kernels.workspace_bytes(product, true)));
  }
  return memory.bytes();
}

void output_apart(CudaStream& stream, const Calls& calls, const Places& gradients, const Places& workspaces) {
  std::vector<Tensor> depthwise(calls.size());
  std::vector<GradientTarget> mapped(calls.size()), targets(calls.size());
  std::vector<KernelCall> statistics, products;
  Places outputs;  // of the windows, where weights want them again
  for (size_t i = 0; i < calls.size(); ++i) {
    const KernelCall& call = *calls[i];
    Memory memory(workspaces.at(&call));
    mapped[i] = {static_cast<float*>(memory.take(output_bytes(call))), GradientMode::kOverwrite, call.precision};
    targets[i] = {static_cast<float*>(gradients.at(&call)), GradientMode::kOverwrite, call.precision};
    if (wants_weights(call)) outputs[&call] = memory.take(output_bytes(call));
    depthwise[i] = like_output(call, outputs.contains(&call) ? outputs.at(&call) : nullptr);
    statistics.push_back(statistics_of(call));
    statistics.back().input_gradients = &mapped[i];
    products.push_back(product_backward_of(call, depthwise[i], mapped[i].data, targets[i]));
    products.back().workspace = memory.take(0);
  }
  run(stream, moments_kernels.backward_group, statistics);
  if (!outputs.empty()) {
    for (const Calls& alike : kinds_of(calls, [](const KernelCall* call) { return kernel_of(*call); })) {
      start_depthwise(stream, alike, outputs);
    }
  }
  run(stream, conv2d_kernels.backward_group, products);
}

}  // namespace dartsmith::cuda::sliding
