#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <map>
#include <utility>

#include "cuda/launch.h"
#include "cuda/sliding/choice.h"
#include "cuda/sliding/separable.h"
#include "cuda/sliding/separable_apart.h"
#include "cuda/sliding/separable_calls.h"
#include "cuda/sliding/separable_forward.cuh"
#include "cuda/sliding/separable_input.cuh"
#include "cuda/sliding/separable_output.cuh"
#include "cuda/sliding/weight_sums.h"

namespace dartsmith::cuda::sliding {
namespace {

// Of depthwise outputs' gradients that are written before they are read: so much stays in the cache of a large GPU.
constexpr int64_t kRingBytes = int64_t{32} << 20;

// What a call reads: the same tensor may be read as it is and normalised, or normalised in two ways.
using Input = std::pair<const void*, const void*>;
Input input_of(const KernelCall& call) {
  return {call.inputs[0].data, call.links[0].statistics};
}
// Whether window and product are one kernel, forward and backward: the kernel of the output side, which has no register
// left, knows nothing of dropped samples.
bool is_fused(const KernelCall& call) {
  return has_kernels(channels_of(call), call.inputs[0].width);
}
bool is_fused_backward(const KernelCall& call) {
  return is_fused(call) && call.output_dropout == nullptr;
}

// --- Units of outputs

Cut cut_of(const KernelCall& call, MotionKind motion, int rows) {
  const int columns =
      with_channels(channels_of(call), [](auto channels) { return WarpShape<channels.value>::kColumns; });
  return {call.inputs[0], call.output, motion, columns, rows};
}
int64_t units_of(const KernelCall& call, int rows) {
  return call.output.batch * cut_of(call, motion_of(call), rows).units_an_image();
}
// Where no window is needed, the image is one.
int64_t whole_units_of(const KernelCall& call, int rows) {
  return call.output.batch * cut_of(call, MotionKind::kPlain, rows).units_an_image();
}

// Fills in what a member has of a call; gives the block behind its own.
int64_t place_output(const KernelCall& call, MotionKind motion, int rows, int64_t first_block, SlidingMember& member) {
  const Cut cut = cut_of(call, motion, rows);
  return place_member(call, motion, cut, call.output.batch * cut.units_an_image(), kUnits, first_block, member);
}

// --- Forward

void start_forward(CudaStream& stream, const KernelCall* const* calls, int count) {
  const int rows = strip_rows_of(calls, count, units_of);
  unsigned* tickets = stream.tickets(count);
  ForwardPhase phase;
  int64_t blocks = 0;
  for (int m = 0; m < count; ++m) {
    const KernelCall& call = *calls[m];
    ForwardMember& member = phase.members[phase.count++];
    blocks = place_output(call, motion_of(call), rows, blocks, member);
    member.output = call.output.data;
    member.norm = normalisation_of(call);
    member.moments = {static_cast<float*>(call.workspace), static_cast<int>(channels_of(call)), member.units};
    member.ticket = tickets + m;
    member.pixels = pixels_of(call.output);
  }
  const KernelStart<ForwardPhase> start = with_channels(channels_of(*calls[0]), [&](auto channels) {
    return forward_start<channels.value>(kernel_of(*calls[0]), calls[0]->precision);
  });
  launch_blocks(stream, start.kernel, {blocks, start.shared_bytes, kBlockThreads}, phase);
}

// --- Backward

// Calls body(a constant) for what the input side's kernels are compiled for: 0 takes any number of channels.
template <typename Body>
auto with_input_channels(int64_t channels, const Body& body) {
  if (channels == 16) return body(std::integral_constant<int, 16>{});
  return body(std::integral_constant<int, 0>{});
}

// Regions of inputs, each of a block for each part of the channels.
struct Regions {
  int down, across;
  int64_t count, blocks;  // of all images
  Regions(const KernelCall& call, int rows) {
    const Tensor& in = call.inputs[0];
    with_input_channels(in.channels, [&](auto known) {
      using Shape = InputShape<known.value>;
      down = static_cast<int>(divide_up(in.height, 2 * rows));
      across = static_cast<int>(divide_up(in.width, 2 * Shape::kColumns));
      count = in.batch * down * across;
      blocks = count * Shape::parts(Channels<known.value>(in.channels));
    });
  }
};
int64_t input_units_of(const KernelCall& call, int rows) {
  return Regions(call, rows).blocks * kUnits;
}

int64_t taps_of(const KernelCall& call) {
  return int64_t{kernel_of(call)} * kernel_of(call);
}

// Where a call's workspace holds what, in bytes.
struct Workspace {
  int64_t output, depthwise, sums, bytes;  // the depthwise outputs' gradient comes first
  explicit Workspace(const KernelCall& call) {
    const int64_t channels = channels_of(call), regions = Regions(call, shortest_strip_of(call, input_units_of)).count;
    const auto floats = [](int64_t count) { return round_up(count * static_cast<int64_t>(sizeof(float)), 256); };
    const int64_t weighed = wants_weights(call) ? 1 : 0;
    output = output_bytes(call);
    if (is_fused_backward(call)) {
      const int64_t units = units_of(call, shortest_strip_of(call, units_of));
      depthwise = output + weighed * floats(divide_up(units, kUnits) * channels * channels);
    } else {
      depthwise = output + static_cast<int64_t>(output_bytes_apart(call));
    }
    sums = depthwise + weighed * floats(regions * taps_of(call) * channels);
    bytes = sums + floats(2 * channels * regions);
  }
  template <typename T = float>
  static T* at(const KernelCall& call, int64_t place) {
    return reinterpret_cast<T*>(static_cast<unsigned char*>(call.workspace) + place);
  }
};

// `places`: where the depthwise outputs' gradients are kept between the two kernels.
void start_output(CudaStream& stream, const KernelCall* const* calls, int count, const Places& places,
                  std::vector<WeightSum>& sums) {
  const bool weighed = wants_weights(*calls[0]);
  const int rows = strip_rows_of(calls, count, weighed ? units_of : whole_units_of);
  OutputPhase phase;
  int64_t blocks = 0;
  for (int i = 0; i < count; ++i) {
    const KernelCall& call = *calls[i];
    OutputMember& m = phase.members[phase.count++];
    blocks = place_output(call, weighed ? motion_of(call) : MotionKind::kPlain, rows, blocks, m);
    m.output = call.output.data;
    m.gradient = call.output_gradient;
    m.gradient_map = call.output_gradient_map;
    m.depthwise_gradient = places.at(&call);
    m.partials = Workspace::at(call, Workspace(call).output);
    const int64_t elements = channels_of(call) * channels_of(call);
    if (weighed) sums.push_back({m.partials, call.bias_gradient, m.blocks, elements});
  }
  const KernelStart<OutputPhase> start = with_channels(channels_of(*calls[0]), [&](auto channels) {
    return output_start<channels.value>(weighed ? kernel_of(*calls[0]) : 0, calls[0]->precision);
  });
  launch_blocks(stream, start.kernel, {blocks, start.shared_bytes, kBlockThreads}, phase);
}

InputRun input_run_of(const KernelCall& call, int rows, bool goes_on) {
  const Regions regions(call, rows);
  const InputLink& link = call.links[0];
  InputRun run{};
  run.height = static_cast<int>(call.inputs[0].height);
  run.width = static_cast<int>(call.inputs[0].width);
  run.channels = static_cast<int>(call.inputs[0].channels);
  run.rows = rows;
  run.down = regions.down;
  run.across = regions.across;
  run.input = call.inputs[0].data;
  run.reading = reading_of(link);
  run.target = call.input_gradients[0].data;
  run.mode = call.input_gradients[0].mode;
  if (goes_on && run.mode != GradientMode::kIgnore) run.mode = GradientMode::kAccumulate;
  run.gradient_map = run.mode == GradientMode::kIgnore ? nullptr : link.gradient_map;
  run.scale_gradient = link.scale_gradient;
  run.shift_gradient = link.shift_gradient;
  run.statistics_pixels = statistics_pixels(call, pixels_of(call.inputs[0]));
  run.sums = {Workspace::at(call, Workspace(call).sums), static_cast<int>(channels_of(call)), regions.count};
  run.blocks = static_cast<Index>(regions.blocks);
  return run;
}

// Calls of one input side by side; `goes_on` says whether the first one's input was begun by an earlier launch.
void start_input(CudaStream& stream, const KernelCall* const* calls, int count, bool goes_on, const Places& places,
                 std::vector<WeightSum>& sums) {
  const bool weighed = wants_weights(*calls[0]);
  const int rows = strip_rows_of(calls, count, input_units_of);
  unsigned* tickets = stream.tickets(count);
  InputPhase phase;
  int64_t blocks = 0;
  for (int i = 0; i < count; ++i) {
    const KernelCall& call = *calls[i];
    if (i == 0 || input_of(call) != input_of(*calls[i - 1])) {
      InputRun& run = phase.runs[phase.count];
      run = input_run_of(call, rows, i == 0 && goes_on);
      run.ticket = tickets + phase.count++;
      run.first = i;
      run.first_block = static_cast<Index>(blocks);
      blocks += run.blocks;
    }
    InputRun& own = phase.runs[phase.count - 1];
    if (++own.count > 1 || own.mode == GradientMode::kAccumulate) {
      if (own.gradient_map != nullptr) fail("cuda", "expected a normalised input that one separable reads");
    }
    float* partials = weighed ? Workspace::at(call, Workspace(call).depthwise) : nullptr;
    phase.members[phase.member_count++] = {kernel_of(call),
                                           motion_of(call),
                                           static_cast<int>(call.output.height),
                                           static_cast<int>(call.output.width),
                                           call.weight,
                                           places.at(&call),
                                           partials};
    const int64_t elements = taps_of(call) * channels_of(call);
    if (weighed) sums.push_back({partials, call.weight_gradient, Regions(call, rows).count, elements});
  }
  const KernelStart<InputPhase> start = with_input_channels(channels_of(*calls[0]), [&](auto known) {
    return input_start<known.value>(halved(calls[0]->precision), weighed);
  });
  launch_blocks(stream, start.kernel, {blocks, start.shared_bytes, kBlockThreads}, phase);
}

void output_side(CudaStream& stream, const Calls& calls, const Places& places, std::vector<WeightSum>& sums) {
  Calls fused, apart;
  for (const KernelCall* call : calls) (is_fused_backward(*call) ? fused : apart).push_back(call);
  Places workspaces;
  for (const KernelCall* call : apart) workspaces[call] = Workspace::at<void>(*call, Workspace(*call).output);
  if (!apart.empty()) output_apart(stream, apart, places, workspaces);
  if (fused.empty()) return;
  for_kinds(
      stream, fused, [](const KernelCall* call) { return wants_weights(*call) ? kernel_of(*call) : 0; },
      [&](const Calls& alike) { start_output(stream, alike.data(), static_cast<int>(alike.size()), places, sums); });
}

// How many calls from the first on are worked on together: what they keep in between stays in the cache.
int together(const KernelCall* const* calls, int count) {
  int64_t bytes = output_bytes(*calls[0]);
  int result = 1;
  while (result < count && result < kMembers && bytes + output_bytes(*calls[result]) <= kRingBytes) {
    bytes += output_bytes(*calls[result++]);
  }
  return result;
}

// Calls of as many channels that want the same.
void backward_alike(CudaStream& stream, const Calls& calls, std::vector<WeightSum>& sums) {
  const int count = static_cast<int>(calls.size());
  const int ring = together(calls.data(), count);
  for (int first = 0; first < count;) {
    const int size = together(calls.data() + first, count - first);
    Places places;
    for (int i = 0; i < size; ++i) {
      const KernelCall& own = *calls[first + i];
      // What the first ones kept is done with: its place is still in the cache.
      const bool fits = i < ring && output_bytes(*calls[i]) >= output_bytes(own);
      const KernelCall& keeper = fits ? *calls[i] : own;
      places[&own] = Workspace::at<void>(keeper, 0);
    }
    output_side(stream, Calls(calls.begin() + first, calls.begin() + first + size), places, sums);
    const bool goes_on = first > 0 && input_of(*calls[first]) == input_of(*calls[first - 1]);
    start_input(stream, calls.data() + first, size, goes_on, places, sums);
    first += size;
  }
}

bool wants_anything(const KernelCall& call) {
  return wants_weights(call) || call.input_gradients[0].mode != GradientMode::kIgnore;
}

}  // namespace

bool takes(const KernelCall& call) {
  const Window& w = window_of(call);
  const Tensor &in = call.inputs[0], &out = call.output;
  const auto one_of = [](int64_t value, std::initializer_list<int64_t> values) {
    return std::ranges::find(values, value) != values.end();
  };
  return one_of(w.kernel[0], {3, 5}) && w.kernel[0] == w.kernel[1] && one_of(w.stride[0], {1, 2}) &&
         w.stride[0] == w.stride[1] && one_of(w.dilation[0], {1, 2}) && w.dilation[0] == w.dilation[1] &&
         w.padding[0] == w.dilation[0] * (w.kernel[0] / 2) && w.padding[0] == w.padding[1] &&
         (has_kernels(in.channels, in.width) || takes_apart(in.channels, in.width)) && in.channels == out.channels &&
         stored_alike(call);
}

bool takes_backward(const KernelCall& call) {
  return takes(call) && gradients_stored_alike(call);
}

size_t forward_bytes(const KernelCall& call) {
  if (!is_fused(call)) return forward_bytes_apart(call);
  const int64_t units = units_of(call, shortest_strip_of(call, units_of));
  return static_cast<size_t>(units * 2 * channels_of(call)) * sizeof(float);
}

size_t backward_bytes(const KernelCall& call) {
  return static_cast<size_t>(Workspace(call).bytes);
}

void forward(CudaStream& stream, const Calls& calls) {
  for_kinds(
      stream, calls,
      [](const KernelCall* call) {
        return std::pair{kernel_of(*call), channels_of(*call)};
      },
      [&](const Calls& alike) {
        if (!is_fused(*alike[0])) return forward_apart(stream, alike);
        start_forward(stream, alike.data(), static_cast<int>(alike.size()));
      });
}

// Calls of one input side by side, inputs in the order in which they come: addresses would differ from run to run.
void backward(CudaStream& stream, const Calls& calls) {
  const auto kind = [](const KernelCall* call) { return std::pair{channels_of(*call), wants_weights(*call)}; };
  Calls left;
  std::ranges::copy_if(calls, std::back_inserter(left), [](const KernelCall* call) { return wants_anything(*call); });
  std::vector<WeightSum> sums;
  while (!left.empty()) {
    Calls alike, others;
    for (const KernelCall* call : left) (kind(call) == kind(left[0]) ? alike : others).push_back(call);
    std::map<Input, size_t> first;
    for (size_t i = 0; i < alike.size(); ++i) first.emplace(input_of(*alike[i]), i);
    std::ranges::stable_sort(alike, {}, [&](const KernelCall* call) { return first.at(input_of(*call)); });
    backward_alike(stream, alike, sums);
    left = std::move(others);
  }
  if (!sums.empty()) add_weight_sums(stream, sums);
}

}  // namespace dartsmith::cuda::sliding
