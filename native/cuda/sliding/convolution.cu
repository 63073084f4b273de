#include "cuda/launch.h"
#include "cuda/sliding/choice.h"
#include "cuda/sliding/convolution.cuh"
#include "cuda/sliding/convolution.h"
#include "cuda/sliding/weight_sums.h"

namespace dartsmith::cuda::sliding {
namespace {

// The weights of all chunks lie in a block's shared memory.
constexpr int64_t kMostWeights = (int64_t{64} << 10) / static_cast<int64_t>(sizeof(float));

int64_t channels_of(const KernelCall& call) {
  return call.output.channels;
}
int64_t kind_of(const KernelCall* call) {
  return channels_of(*call);
}
// Of all inputs, which are read as one.
int64_t input_channels_of(const KernelCall& call) {
  return call.inputs[0].channels * call.input_count;
}
int chunks_of(const KernelCall& call) {
  return static_cast<int>(input_channels_of(call) / channels_of(call));
}
int64_t batches_of(const KernelCall& call) {
  return divide_up(pixels_of(call.output), batch_pixels(static_cast<int>(channels_of(call))));
}

const Window& window_of(const KernelCall& call) {
  return attributes_of<Conv2dAttributes>(call).window;
}
// What is cut off before a convolution comes as padding below 0.
Sampling sampling_of(const KernelCall& call) {
  const Tensor &in = call.inputs[0], &out = call.output;
  const Window& w = window_of(call);
  Sampling s{};
  s.in_height = static_cast<int>(in.height);
  s.in_width = static_cast<int>(in.width);
  s.out_height = static_cast<int>(out.height);
  s.out_width = static_cast<int>(out.width);
  s.stride = w.stride[0];
  for (int axis = 0; axis < 2; ++axis) s.skip[axis] = -w.padding[axis];
  s.direct = in.height == out.height && in.width == out.width;
  s.outputs = static_cast<Index>(pixels_of(out));
  return s;
}

// Adds a call as a member that has so many blocks, its first one behind those before; gives it to be completed.
template <typename Member>
Member& add_member(ConvolutionPhase<Member>& phase, const KernelCall& call, int64_t& blocks, int64_t own_blocks) {
  Member& member = phase.members[phase.count++];
  Joined input{{}, static_cast<int>(call.inputs[0].channels)};
  for (int i = 0; i < call.input_count; ++i) input.data[i] = call.inputs[i].data;
  static_cast<ConvolutionMember&>(member) = {sampling_of(call),          chunks_of(call),        input, call.weight,
                                             static_cast<Index>(blocks), call.links[0].activated};
  phase.chunks = std::max(phase.chunks, member.chunks);
  blocks += own_blocks;
  return member;
}

// Blocks whose warps take a batch each.
int64_t product_blocks_of(const KernelCall& call) {
  return divide_up(batches_of(call), kUnits);
}

// How the pixels of a weights' gradient are cut. Follows from sizes alone.
struct WeightPieces {
  static constexpr int64_t kMost = 256;
  int64_t turns, count, most;  // for any smaller batch
  explicit WeightPieces(const KernelCall& call) {
    const int64_t fewest = channels_of(call) == 64 ? 2 : 4, rounds = divide_up(batches_of(call), kUnits);
    most = smaller(kMost, divide_up(rounds, fewest));
    turns = larger(fewest, divide_up(rounds, kMost));
    count = divide_up(rounds, turns);
  }
};

void start_forward(CudaStream& stream, const Calls& calls) {
  ConvolutionPhase<ConvolutionForward> phase;
  int64_t blocks = 0;
  for (const KernelCall* call : calls) {
    add_member(phase, *call, blocks, product_blocks_of(*call)).output = call->output.data;
  }
  const auto start = convolution_forward_start(channels_of(*calls[0]), calls[0]->precision, phase.chunks);
  launch_blocks(stream, start.kernel, {blocks, start.shared_bytes, kBlockThreads}, phase);
}

void start_input(CudaStream& stream, const Calls& calls) {
  ConvolutionPhase<ConvolutionInput> phase;
  int64_t blocks = 0;
  for (const KernelCall* call : calls) {
    ConvolutionInput& m = add_member(phase, *call, blocks, product_blocks_of(*call));
    m.gradient = call->output_gradient;
    for (int i = 0; i < call->input_count; ++i) {
      const GradientTarget& target = call->input_gradients[i];
      m.targets[i] = target.mode == GradientMode::kIgnore ? nullptr : target.data;
      m.accumulate[i] = target.mode == GradientMode::kAccumulate;
    }
  }
  const auto start = convolution_input_start(channels_of(*calls[0]), calls[0]->precision, phase.chunks);
  launch_blocks(stream, start.kernel, {blocks, start.shared_bytes, kBlockThreads}, phase);
}

void start_weights(CudaStream& stream, const Calls& calls, std::vector<WeightSum>& sums) {
  ConvolutionPhase<ConvolutionWeights> phase;
  int64_t blocks = 0;
  for (const KernelCall* own : calls) {
    const KernelCall& call = *own;
    const WeightPieces pieces(call);
    ConvolutionWeights& m = add_member(phase, call, blocks, chunks_of(call) * pieces.count);
    m.gradient = call.output_gradient;
    m.partials = static_cast<float*>(call.workspace);
    m.pieces = static_cast<Index>(pieces.count);
    m.turns = static_cast<int>(pieces.turns);
    const int64_t elements = channels_of(call) * channels_of(call);
    for (int chunk = 0; chunk < m.chunks; ++chunk) {
      sums.push_back({m.partials + chunk * pieces.count * elements, call.weight_gradient + chunk * elements,
                      pieces.count, elements});
    }
  }
  const auto start = convolution_weights_start(channels_of(*calls[0]), calls[0]->precision);
  launch_blocks(stream, start.kernel, {blocks, start.shared_bytes, kBlockThreads}, phase);
}

// Whether kernels are compiled for a call's window and shapes.
bool has_convolution(const KernelCall& call) {
  const Window& w = window_of(call);
  const Tensor &in = call.inputs[0], &out = call.output;
  const int64_t channels = input_channels_of(call);
  return attributes_of<Conv2dAttributes>(call).groups == 1 && call.bias == nullptr && w.kernel[0] == 1 &&
         w.kernel[1] == 1 && w.padding[0] <= 0 && w.padding[1] <= 0 && w.stride[0] == w.stride[1] &&
         has_kernels(out.channels, out.width) && channels % out.channels == 0 &&
         channels * out.channels <= kMostWeights && pixels_of(in) <= INT32_MAX;
}

}  // namespace

bool takes_convolution(const KernelCall& call) {
  return has_convolution(call) && stored_alike(call);
}

bool takes_convolution_backward(const KernelCall& call) {
  return takes_convolution(call) && gradients_stored_alike(call);
}

// What backends store in half the memory are images of more than one pixel: these agree.
bool joins(const KernelCall& call) {
  const auto is_image = [](const Tensor& tensor) { return tensor.height * tensor.width > 1; };
  return call.input_count <= kMostJoined && call.inputs[0].channels % 4 == 0 && is_image(call.inputs[0]) &&
         is_image(call.output) && has_convolution(call);
}

size_t convolution_bytes(const KernelCall& call) {
  return static_cast<size_t>(WeightPieces(call).most * input_channels_of(call) * channels_of(call)) * sizeof(float);
}

void convolve(CudaStream& stream, const Calls& calls) {
  for_kinds(stream, calls, kind_of, [&](const Calls& alike) { start_forward(stream, alike); });
}

void convolve_backward(CudaStream& stream, const Calls& calls) {
  Calls weighed, passing;
  for (const KernelCall* call : calls) {
    if (call->weight_gradient != nullptr) weighed.push_back(call);
    const auto* targets = call->input_gradients;
    const bool passes = std::any_of(targets, targets + call->input_count,
                                    [](const GradientTarget& target) { return target.mode != GradientMode::kIgnore; });
    if (passes) passing.push_back(call);
  }
  std::vector<WeightSum> sums;
  std::vector<Calls> parts = kinds_of(weighed, kind_of);
  const size_t weight_parts = parts.size();
  for (const Calls& part : kinds_of(passing, kind_of)) parts.push_back(part);
  stream.in_branches(static_cast<int>(parts.size()), [&](int i) {
    if (static_cast<size_t>(i) < weight_parts) {
      start_weights(stream, parts[i], sums);
    } else {
      start_input(stream, parts[i]);
    }
  });
  if (!sums.empty()) add_weight_sums(stream, sums);
}

}  // namespace dartsmith::cuda::sliding
