// Sums of weighed inputs.
#include <algorithm>
#include <vector>

#include "cuda/combine.cuh"
#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "cuda/sliding/choice.h"
#include "cuda/sliding/combine.h"

namespace dartsmith::cuda {
namespace {

using namespace combine;

constexpr int kBlocks = 2;  // a multiprocessor

template <Layout layout>
__global__ void __launch_bounds__(kThreads, kBlocks) tiles_combine_kernel(DARTSMITH_ARGUMENT(Combine) c) {
  begin_kernel();
  Shared shared(shared_memory());
  forward<layout>(c, shared);
}

template <Layout layout>
__global__ void __launch_bounds__(kThreads, kBlocks) tiles_combine_backward_kernel(DARTSMITH_ARGUMENT(Combine) c) {
  begin_kernel();
  Shared shared(shared_memory());
  const BackwardParts parts(shared, c);
  for_tasks(c.tasks(), [&](Index task) { backward_piece<layout>(c, task, parts); });
}

// Joins what the blocks summed, a warp a channel of an input; the last block adds the mixing weights' gradients.
__global__ void __launch_bounds__(kThreads) combine_finish_kernel(DARTSMITH_ARGUMENT(Combine) c) {
  begin_kernel();
  Shared shared(shared_memory());
  unsigned* flag = shared.take<unsigned>(1);
  const Index item = blockIdx.x * kWarps + threadIdx.x / kLanes, channels = static_cast<Index>(c.output.channels);
  const int k = static_cast<int>(item / channels);
  if (k < c.count && needs_sums(c.inputs[k])) finish_channel(c, k, static_cast<int>(item % channels));
  by_last_block(c.ticket, gridDim.x, flag, [&] { add_mixing_gradients(c); });
}

PoolWindow window_of(const KernelCall& call, int k) {
  return {*call.links[k].pool, call.inputs[k], call.output.height, call.output.width};
}

// Whether input k is an average, and the other the maximum, of the same windows of 3 x 3.
bool leads_pair(const KernelCall& call, int k, int other) {
  if (call.inputs[k].data != call.inputs[other].data) return false;
  const PoolWindow average = window_of(call, k), maximum = window_of(call, other);
  return !average.takes_max && maximum.takes_max && average.is_square_of_three() && average.covers_as(maximum);
}

// Inputs of one launch: those that are dropped take shared memory for a piece's samples.
int inputs_at_once(const KernelCall& call) {
  constexpr int kWithDropped = 16;
  const bool drops = std::any_of(call.links, call.links + call.input_count,
                                 [](const InputLink& link) { return link.dropout != nullptr; });
  return drops ? kWithDropped : kInputs;
}

// The inputs of a launch, so many from the `first` on: those that are not pooled on the way, then the others, the
// maximum of a window behind its average.
std::vector<int> inputs_from(const KernelCall& call, int first, int at_once) {
  std::vector<int> inputs, pooled;
  const int end = static_cast<int>(smaller(first + at_once, call.input_count));
  for (int k = first; k < end; ++k) (call.links[k].pool != nullptr ? pooled : inputs).push_back(k);
  while (!pooled.empty()) {
    const auto average = std::ranges::find_if(pooled, [&](int k) { return !call.links[k].pool->takes_max; });
    const auto lead = average == pooled.end() ? pooled.begin() : average;
    const int k = *lead;
    inputs.push_back(k);
    pooled.erase(lead);
    const auto maximum = std::ranges::find_if(pooled, [&](int other) { return leads_pair(call, k, other); });
    if (maximum == pooled.end()) continue;
    inputs.push_back(*maximum);
    pooled.erase(maximum);
  }
  return inputs;
}

CombineInput input_of(const KernelCall& call, int k) {
  const InputLink& link = call.links[k];
  CombineInput input{};
  input.y = view_of(call.inputs[k]);
  input.reading = reading_of(link);
  input.mixing = link.mixing;
  input.dropout = sample_dropout_of(call, link.dropout);
  input.pooled = link.pool != nullptr;
  if (input.pooled) input.window = window_of(call, k);
  return input;
}

Combine combine_of(const KernelCall& call, const std::vector<int>& inputs) {
  Combine c{};
  for (size_t i = 0; i < inputs.size(); ++i) {
    CombineInput input = input_of(call, inputs[i]);
    if (!input.pooled) ++c.plain;
    input.leads_pair = input.pooled && i + 1 < inputs.size() && leads_pair(call, inputs[i], inputs[i + 1]);
    if (input.dropout.settings != nullptr) input.gradient_sum = static_cast<int>(1 + inputs.size()) + c.dropped++;
    c.inputs[c.count++] = input;
  }
  c.output = view_of(call.output);
  c.pixels = pixels_of(call.output);
  c.height = static_cast<int>(call.output.height);
  c.width = static_cast<int>(call.output.width);
  c.images = static_cast<int>(smaller(call.output.batch, (kPixels - 2) / (call.output.height * call.output.width) + 2));
  c.pieces = divide_up(c.pixels, kPixels);
  c.chunks = static_cast<int>(divide_up(call.output.channels, kChunk));
  return c;
}

// Of what a launch touches.
Layout layout_of(const Combine& c) {
  Layout layout = c.output.layout();
  for (int k = 0; k < c.count; ++k) {
    layout = shared_layout(layout, c.inputs[k].y.layout());
    if (c.inputs[k].target.data != nullptr) layout = shared_layout(layout, c.inputs[k].target.layout());
  }
  return layout;
}

bool slides(const Combine& c, const KernelCall& call) {
  return sliding::chosen() && sliding::takes(c, call.precision);
}

void forward(Stream& stream, const KernelCall& call) {
  // Without inputs (all weights given as 0) the sum is 0.
  const int at_once = inputs_at_once(call);
  for (int first = 0; first == 0 || first < call.input_count; first += at_once) {
    Combine c = combine_of(call, inputs_from(call, first, at_once));
    c.accumulate = first > 0;
    if (slides(c, call)) {
      sliding::combine_forward(CudaStream::of(stream), c);
      continue;
    }
    with_layout(layout_of(c), [&](auto layout) {
      launch(CudaStream::of(stream), KernelOf<Combine>{tiles_combine_kernel<layout.value>},
             {c.tasks(), shared_bytes<ForwardParts>(c)}, c);
    });
  }
}

void finish(CudaStream& stream, Combine& c) {
  c.ticket = stream.tickets(1);
  Shared counted(nullptr);
  counted.take<unsigned>(1);
  launch_blocks(stream, KernelOf<Combine>{combine_finish_kernel},
                {divide_up(int64_t{c.count} * c.output.channels, kWarps), counted.bytes()}, c);
}

void backward(Stream& stream, const KernelCall& call) {
  const int at_once = inputs_at_once(call);
  for (int first = 0; first < call.input_count; first += at_once) {
    const std::vector<int> inputs = inputs_from(call, first, at_once);
    Combine c = combine_of(call, inputs);
    for (int i = 0; i < c.count; ++i) {
      const int k = inputs[i];
      const InputLink& link = call.links[k];
      const GradientTarget& target = call.input_gradients[k];
      CombineInput& input = c.inputs[i];
      input.mixing_gradient = link.mixing_gradient;
      input.scale_gradient = link.scale_gradient;
      input.shift_gradient = link.shift_gradient;
      input.gradient_map = link.gradient_map;
      input.target = input_gradient_of(call, k);
      input.mode = target.mode;
    }
    c.output = output_gradient_of(call);
    c.chunks = static_cast<int>(divide_up(call.output.channels, kBackwardChunk));
    c.contributions = static_cast<double*>(call.workspace);
    c.statistics_pixels = statistics_pixels(call, c.pixels);
    const bool sliding = slides(c, call);
    if (sliding) c.pieces = sliding::combine_pieces(call.output);
    c.partials = {reinterpret_cast<float*>(c.contributions + kInputs * call.output.channels),
                  static_cast<int>(call.output.channels), c.pieces};
    if (sliding) {
      sliding::combine_backward(CudaStream::of(stream), c);
    } else {
      with_layout(layout_of(c), [&](auto layout) {
        launch(CudaStream::of(stream), KernelOf<Combine>{tiles_combine_backward_kernel<layout.value>},
               {c.tasks(), shared_bytes<BackwardParts>(c)}, c);
      });
    }
    finish(CudaStream::of(stream), c);
  }
}

size_t workspace_bytes(const KernelCall& call, bool backward) {
  if (!backward) return 0;
  const int64_t channels = call.output.channels, inputs = smaller(kInputs, call.input_count);
  const int64_t pieces = larger(divide_up(pixels_of(call.output), kPixels), sliding::combine_pieces(call.output));
  return static_cast<size_t>(kInputs * channels) * sizeof(double) +
         static_cast<size_t>((1 + 2 * inputs) * channels * pieces) * sizeof(float);
}

}  // namespace

const OpKernels combine_kernels = {
    .forward = forward, .backward = backward, .workspace_bytes = workspace_bytes, .drops_inputs = true};

}  // namespace dartsmith::cuda
