// 1x1 convolutions: their products forward and of the inputs' gradients, and how all of their kernels start.
#include "cuda/launch.h"
#include "cuda/sliding/choice.h"
#include "cuda/sliding/convolution.cuh"
#include "cuda/sliding/convolution.h"
#include "cuda/sliding/weight_sums.h"

namespace dartsmith::cuda::sliding {
namespace {

// --- Products: a chunk of channels after another

// What a block keeps in shared memory.
template <typename Product>
struct ProductParts {
  unsigned char* stages;   // a warp's each
  unsigned char* weights;  // of a chunk each
  __host__ __device__ ProductParts(Shared& shared, int chunks)
      : stages(shared.take<unsigned char>(kUnits * Product::kStageBytes)),
        weights(shared.take<unsigned char>(chunks * Product::kWeightBytes)) {}

  template <bool transposed>
  __device__ void load_weights(const ConvolutionMember& m) const {
    constexpr int kWeights = Product::kOutputs * Product::kOutputs;
    for (int chunk = 0; chunk < m.chunks; ++chunk) {
      Product::template load_weights<transposed>(m.weight + chunk * kWeights, weights + chunk * Product::kWeightBytes);
    }
    __syncthreads();
  }
  __device__ unsigned char* stage() const { return stages + warp_number() * Product::kStageBytes; }
};

// The first pixel of this warp's batch.
template <int kChannels>
__device__ __forceinline__ Index first_output(const ConvolutionMember& m) {
  return ((blockIdx.x - m.first_block) * kUnits + static_cast<Index>(warp_number())) * batch_pixels(kChannels);
}

template <int kChannels, Precision precision>
__global__ void __launch_bounds__(kBlockThreads, 3)
    convolution_forward_kernel(DARTSMITH_ARGUMENT(ConvolutionPhase<ConvolutionForward>) phase) {
  begin_kernel();
  using Product = Pointwise<precision, kChannels>;
  constexpr bool kHalf = precision == Precision::kBf16;
  constexpr int kElementBytes = kHalf ? 2 : 4;
  using Reader = BatchReader<kChannels, kHalf>;
  Shared shared(shared_memory());
  const ProductParts<Product> parts(shared, phase.chunks);
  const ConvolutionForward& m = own_item(phase.members, phase.count);
  const Index first = first_output<kChannels>(m);
  const Reader reader(first, m.sampling.outputs, [&](Index pixel) { return m.sampling.input_of(pixel); });
  typename Reader::Bits bits;
  reader.take(m.input, 0, bits);
  parts.template load_weights<false>(m);
  if (first >= m.sampling.outputs) return;
  const Product product;
  const float least = least_of(m);
  float4 results[Product::kPixels][Product::kVectors];
  clear(results);
#pragma unroll 1
  for (int chunk = 0; chunk < m.chunks; ++chunk) {
    Reader::hand_over(bits, least,
                      [&](int row, const float2(&x)[kQuadColumns]) { Product::keep(parts.stage(), row, x); });
    __syncwarp();
    if (chunk + 1 < m.chunks) reader.take(m.input, chunk + 1, bits);
    product.accumulate(parts.stage(), parts.weights + chunk * Product::kWeightBytes, results);
    __syncwarp();
  }
#pragma unroll
  for (int p = 0; p < Product::kPixels; ++p) {
    const Index pixel = first + static_cast<Index>(product.base() + Product::offset(p));
#pragma unroll
    for (int v = 0; v < Product::kVectors; ++v) {
      const int64_t place = int64_t{pixel} * kChannels + product.channel(v);
      store_four<kHalf>(static_cast<unsigned char*>(m.output) + place * kElementBytes, results[p][v],
                        pixel < m.sampling.outputs);
    }
  }
}

template <int kChannels, Precision precision>
__global__ void __launch_bounds__(kBlockThreads, 4)
    convolution_input_kernel(DARTSMITH_ARGUMENT(ConvolutionPhase<ConvolutionInput>) phase) {
  begin_kernel();
  using Product = Pointwise<precision, kChannels>;
  constexpr bool kHalf = precision == Precision::kBf16;
  constexpr int kElementBytes = kHalf ? 2 : 4;
  using Reader = BatchReader<kChannels, kHalf>;
  Shared shared(shared_memory());
  const ProductParts<Product> parts(shared, phase.chunks);
  const ConvolutionInput& m = own_item(phase.members, phase.count);
  const Index first = first_output<kChannels>(m);
  {
    const Reader reader(first, m.sampling.outputs, [](Index pixel) { return pixel; });
    typename Reader::Bits bits;
    reader.take(m.gradient, bits);
    Reader::hand_over(bits, -INFINITY,
                      [&](int row, const float2(&dy)[kQuadColumns]) { Product::keep(parts.stage(), row, dy); });
  }
  parts.template load_weights<true>(m);
  if (first >= m.sampling.outputs) return;
  const Product product;
  const auto output_of = [&](int p) { return first + static_cast<Index>(product.base() + Product::offset(p)); };
  const int pitch = m.input.channels * kElementBytes;
  Index places[Product::kPixels];
#pragma unroll
  for (int p = 0; p < Product::kPixels; ++p) places[p] = m.sampling.input_of(output_of(p));
#pragma unroll 1
  for (int chunk = 0; chunk < m.chunks; ++chunk) {
    float4 results[Product::kPixels][Product::kVectors];
    multiply(product, parts.stage(), parts.weights + chunk * Product::kWeightBytes, results);
#pragma unroll
    for (int v = 0; v < Product::kVectors; ++v) {
      const Joined::Place own = m.input.place_of<kHalf>(chunk * kChannels + product.channel(v));
      if (m.targets[own.part] == nullptr) continue;
      const auto* input = static_cast<const unsigned char*>(m.input.data[own.part]) + own.offset;
      auto* target = static_cast<unsigned char*>(m.targets[own.part]) + own.offset;
      const bool accumulate = m.accumulate[own.part];
      const auto store = [&](Index pixel, float4 value) {
        const int64_t place = int64_t{pixel} * pitch;
        if (m.activated) value = passed(load_four<kHalf>(input + place), value);
        unsigned char* to = target + place;
        store_four<kHalf>(to, accumulate ? load_four<kHalf>(to) + value : value, true);
      };
#pragma unroll
      for (int p = 0; p < Product::kPixels; ++p) {
        if (output_of(p) >= m.sampling.outputs) continue;
        store(places[p], results[p][v]);
        if (m.sampling.direct || accumulate) continue;
        m.sampling.for_unread(output_of(p), [&](Index pixel) { store(pixel, splat(0)); });
      }
    }
    __syncwarp();
  }
}

// For calls like one; kernel_of(channels, precision) gives the kernel of two constants.
template <typename Member, typename FindKernel>
ConvolutionStart<Member> start_of(const KernelCall& call, int chunks, const FindKernel& kernel_of) {
  ConvolutionStart<Member> start{};
  with_instance(call.output.channels, call.precision, [&](auto own, auto known) {
    start = {kernel_of(own, known), cuda::shared_bytes<ProductParts<Pointwise<known.value, own.value>>>(chunks)};
  });
  return start;
}

// --- Host

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
  const auto start = start_of<ConvolutionForward>(*calls[0], phase.chunks, [](auto own, auto known) {
    return KernelOf<ConvolutionPhase<ConvolutionForward>>{convolution_forward_kernel<own.value, known.value>};
  });
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
  const auto start = start_of<ConvolutionInput>(*calls[0], phase.chunks, [](auto own, auto known) {
    return KernelOf<ConvolutionPhase<ConvolutionInput>>{convolution_input_kernel<own.value, known.value>};
  });
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
