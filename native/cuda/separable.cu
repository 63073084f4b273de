// Separables as phases: what their calls ask for, brought together by the inputs that they read.
#include <algorithm>
#include <cstring>
#include <functional>
#include <vector>

#include "cuda/chain.h"
#include "cuda/kernels.h"
#include "cuda/separable.cuh"
#include "cuda/sliding/choice.h"
#include "cuda/sliding/separable.h"

namespace dartsmith::cuda {
namespace {

using namespace separable;

inline constexpr int kSeparables = 32;  // members of a phase at most

bool slides(const KernelCall& call) {
  return sliding::chosen() && sliding::takes(call);
}

// The smallest power of two that is not less.
int64_t power_of_two(int64_t size) {
  int64_t result = 1;
  while (result < size) result *= 2;
  return result;
}

// What a phase takes, before it is laid out one behind another.
struct Arguments {
  Separable header{};
  std::vector<Run> runs;
  std::vector<Member> members;

  std::vector<unsigned char> packed() const {
    const size_t run_bytes = runs.size() * sizeof(Run), member_bytes = members.size() * sizeof(Member);
    std::vector<unsigned char> bytes(sizeof(header) + run_bytes + member_bytes);
    std::memcpy(bytes.data(), &header, sizeof(header));
    std::memcpy(bytes.data() + sizeof(header), runs.data(), run_bytes);
    std::memcpy(bytes.data() + sizeof(header) + run_bytes, members.data(), member_bytes);
    return bytes;
  }
};

const Window& window_of(const KernelCall& call) {
  return attributes_of<SeparableAttributes>(call).window;
}

// Pixels of a tile at stride 1, so that each thread has a quad of them, or of a square of the product.
int tile_pixels_of(const KernelCall& call) {
  const int64_t channels = larger(call.inputs[0].channels, call.output.channels);
  return static_cast<int>(kProductArea / smaller(kColumns, larger(kLeastTileChannels, power_of_two(channels))));
}

Tiling tiling_of(const KernelCall& call) {
  return {call.output.height, call.output.width, tile_pixels(window_of(call).stride, tile_pixels_of(call))};
}

// Of the data gradient; one thread a quad and vector of channels.
Tiling input_tiling_of(const KernelCall& call) {
  const Tensor& in = call.inputs[0];
  return {in.height, in.width, kThreads * kQuad * 4 / tile_channels(in.channels)};
}

bool same_run(const KernelCall& a, const KernelCall& b) {
  return a.inputs[0].data == b.inputs[0].data && a.links[0].statistics == b.links[0].statistics &&
         a.output.height == b.output.height && a.output.width == b.output.width &&
         tile_pixels_of(a) == tile_pixels_of(b) && window_of(a).stride[0] == window_of(b).stride[0] &&
         window_of(a).stride[1] == window_of(b).stride[1];
}

// Where a call's workspace holds what, in bytes; the partial sums of backward come first.
struct Workspace {
  int64_t tiles, slices, weight_elements;
  int64_t depthwise_gradient, input_sums, bytes;

  Workspace(const KernelCall& call, bool half) {
    const Tensor& in = call.inputs[0];
    tiles = in.batch * tiling_of(call).tiles();
    slices = smaller(tiles, kWeightTasks);
    const int64_t taps = int64_t{window_of(call).kernel[0]} * window_of(call).kernel[1];
    const bool wants_weights = call.weight_gradient != nullptr;
    weight_elements = wants_weights ? taps * in.channels + in.channels * call.output.channels : 0;
    depthwise_gradient = round_up(slices * weight_elements * static_cast<int64_t>(sizeof(float)), 64);
    const int64_t elements = pixels_of(call.output) * in.channels;
    input_sums = depthwise_gradient + round_up(elements * static_cast<int64_t>(half ? 2 : sizeof(float)), 64);
    const int64_t pieces = in.batch * input_tiling_of(call).tiles();
    bytes = input_sums + pieces * 2 * in.channels * static_cast<int64_t>(sizeof(float));
  }
};

Member member_of(const KernelCall& call, bool backward) {
  Member m{};
  m.window = DepthwiseWindow(window_of(call));
  m.output = view_of(call.output);
  m.depthwise = call.weight;
  m.pointwise = call.bias;
  m.norm = normalisation_of(call);
  const Tiling tiling = tiling_of(call);
  m.moments = {static_cast<float*>(call.workspace), static_cast<int>(call.output.channels),
               call.output.batch * tiling.tiles()};
  if (!backward) return m;
  const bool half = call.output.precision == Precision::kBf16;
  const Workspace workspace(call, half);
  auto* memory = static_cast<unsigned char*>(call.workspace);
  m.gradient = output_gradient_of(call);
  m.gradient_map = call.output_gradient_map;
  m.depthwise_gradient = {memory + workspace.depthwise_gradient, static_cast<int>(call.inputs[0].channels), half};
  m.weight_gradient = call.weight_gradient;
  m.pointwise_gradient = call.bias_gradient;
  m.weight_partials = reinterpret_cast<float*>(memory);
  return m;
}

Run run_of_calls(const Arguments& s, const KernelCall& call, int first, int count) {
  Run run{};
  run.input = view_of(call.inputs[0]);
  run.reading = reading_of(call.links[0]);
  run.first = first;
  run.count = count;
  run.height = static_cast<int>(call.inputs[0].height);
  run.width = static_cast<int>(call.inputs[0].width);
  run.tiling = tiling_of(call);
  const DepthwiseWindow* windows[kSeparables];
  for (int m = 0; m < count; ++m) windows[m] = &s.members[first + m].window;
  run.chunk = tile_channels(run.input.channels);
  run.columns = static_cast<int>(smaller(kColumns, kProductArea / run.tiling.pixels()));
  run.frame = Frame(run.tiling, windows, count, run.chunk);
  const int64_t places = s.header.batch * run.tiling.tiles();
  run.members_a_task = static_cast<int>(larger(1, smaller(count, divide_up(count * places, kEnoughTasks))));
  run.tasks = places * divide_up(count, run.members_a_task);
  return run;
}

// The data gradient of a run, as its first call wants it.
void add_gradient(const Arguments& s, const KernelCall& call, Run& run) {
  run.mode = call.input_gradients[0].mode;
  if (run.mode == GradientMode::kIgnore) return;
  run.target = input_gradient_of(call, 0);
  run.gradient_map = call.links[0].gradient_map;
  run.scale_gradient = call.links[0].scale_gradient;
  run.shift_gradient = call.links[0].shift_gradient;
  run.statistics_pixels = statistics_pixels(call, pixels_of(call.inputs[0]));
  run.input_tiling = input_tiling_of(call);
  DepthwiseWindow turned[kSeparables];
  const DepthwiseWindow* windows[kSeparables];
  bool unit = true;
  for (int m = 0; m < run.count; ++m) {
    turned[m] = s.members[run.first + m].window.turned();
    windows[m] = &turned[m];
    unit = unit && turned[m].stride[0] == 1 && turned[m].stride[1] == 1;
  }
  run.gradient_frame = Frame(run.input_tiling, windows, run.count, run.chunk);
  run.by_frame = unit && run.gradient_frame.fits();
  const Workspace workspace(call, call.output.precision == Precision::kBf16);
  const int64_t places = s.header.batch * run.input_tiling.tiles();
  run.sums = {reinterpret_cast<float*>(static_cast<unsigned char*>(call.workspace) + workspace.input_sums),
              run.input.channels, places};
  run.gradient_tasks = places * divide_up(run.input.channels, run.chunk);
}

// Calls that read one input, brought together; as many as one phase takes.
Arguments arguments_of(const KernelCall* const* calls, int count, bool backward) {
  Arguments s;
  Separable& header = s.header;
  header.count = count;
  header.batch = calls[0]->inputs[0].batch;
  for (int m = 0; m < count; ++m) s.members.push_back(member_of(*calls[m], backward));
  for (int first = 0; first < count;) {
    int next = first + 1;
    while (next < count && same_run(*calls[first], *calls[next])) ++next;
    Run run = run_of_calls(s, *calls[first], first, next - first);
    run.first_task = header.tasks;
    header.tasks += run.tasks;
    if (backward) add_gradient(s, *calls[first], run);
    run.first_gradient_task = header.gradient_tasks;
    header.gradient_tasks += run.gradient_tasks;
    for (int m = first; m < next; ++m) s.members[m].run = header.run_count;
    header.extent.cover(run);
    s.runs.push_back(run);
    ++header.run_count;
    first = next;
  }
  const int64_t weighed =
      std::ranges::count_if(s.members, [](const Member& m) { return m.weight_gradient != nullptr; });
  for (Member& member : s.members) {
    const Run& run = s.runs[member.run];
    member.first_task = header.tile_tasks;
    header.tile_tasks += header.batch * run.tiling.tiles();
    member.first_weight_task = header.weight_tasks;
    if (member.weight_gradient != nullptr) {
      const int64_t tiles = header.batch * run.tiling.tiles();
      const int64_t pairs = divide_up(run.input.channels, run.chunk) * divide_up(member.output.channels, run.columns);
      // No more than keep the device busy: each begins and ends with work of its own.
      const int64_t slices = larger(1, smaller(kWeightTasks, kEnoughTasks / (weighed * pairs)));
      member.tiles_a_slice = static_cast<Index>(divide_up(tiles, slices));
      member.slices = static_cast<Index>(divide_up(tiles, member.tiles_a_slice));
      member.weight_tasks = member.slices * pairs;
    }
    header.weight_tasks += member.weight_tasks;
  }
  return s;
}

// Calls body(calls, count) for parts of a group that one launch takes, those of one input side by side. Members of one
// input that do not agree in their tiles go to launches of their own: both would write its gradient.
template <typename Body>
void for_launches(const KernelCall* calls, int count, const Body& body) {
  std::vector<const KernelCall*> sorted;
  for (int m = 0; m < count; ++m) sorted.push_back(calls + m);
  std::ranges::stable_sort(sorted, std::less<>(), [](const KernelCall* call) { return call->inputs[0].data; });
  for (int first = 0; first < count;) {
    int next = first + 1;
    const auto joins = [&](const KernelCall& before, const KernelCall& after) {
      return before.inputs[0].data != after.inputs[0].data || same_run(before, after);
    };
    while (next < count && next - first < kSeparables && joins(*sorted[next - 1], *sorted[next])) ++next;
    body(sorted.data() + first, next - first);
    first = next;
  }
}

// Of what a launch touches.
Layout layout_of(const Arguments& s) {
  Layout layout = s.runs[0].input.layout();
  for (const Run& run : s.runs) {
    layout = shared_layout(layout, run.input.layout());
    if (run.target.data != nullptr) layout = shared_layout(layout, run.target.layout());
  }
  for (const Member& member : s.members) {
    for (const View& view : {member.output, member.gradient, member.depthwise_gradient}) {
      if (view.data != nullptr) layout = shared_layout(layout, view.layout());
    }
  }
  return layout;
}

void forward_tiles(Stream& stream, const KernelCall* calls, int count) {
  for_launches(calls, count, [&](const KernelCall* const* part, int size) {
    const Arguments s = arguments_of(part, size, false);
    with_precision(part[0]->precision, [&](auto precision) {
      const Work work{s.header.tasks, shared_bytes<ForwardParts<precision.value>>(s.header)};
      append(CudaStream::of(stream), {Phase::kSeparable, false, precision.value, work, s.packed(), layout_of(s)});
    });
  });
}

void backward_tiles(Stream& stream, const KernelCall* calls, int count) {
  for_launches(calls, count, [&](const KernelCall* const* part, int size) {
    const Arguments s = arguments_of(part, size, true);
    with_precision(part[0]->precision, [&](auto precision) {
      Shared counted(nullptr);
      TileParts<precision.value>(counted, s.header);
      counted.start_over();
      if (s.header.weight_tasks > 0) WeightParts<precision.value>(counted, s.header);
      counted.start_over();
      GradientParts(counted, s.header);
      const int64_t tasks = larger(s.header.tile_tasks, larger(s.header.weight_tasks, s.header.gradient_tasks));
      const Work work{tasks, counted.bytes()};
      append(CudaStream::of(stream), {Phase::kSeparable, true, precision.value, work, s.packed(), layout_of(s)});
    });
  });
}

void forward_group(Stream& stream, const KernelCall* calls, int count) {
  sliding::share(
      calls, count, slides, [&](const sliding::Calls& own) { sliding::forward(CudaStream::of(stream), own); },
      [&](const KernelCall* tiled, int size) { forward_tiles(stream, tiled, size); });
}

// Calls that read one input add to one gradient: they go one way, in their order.
void backward_group(Stream& stream, const KernelCall* calls, int count) {
  const auto all_slide = [&](const KernelCall& call) {
    return std::all_of(calls, calls + count, [&](const KernelCall& other) {
      return other.inputs[0].data != call.inputs[0].data || (slides(other) && sliding::takes_backward(other));
    });
  };
  sliding::share(
      calls, count, all_slide, [&](const sliding::Calls& own) { sliding::backward(CudaStream::of(stream), own); },
      [&](const KernelCall* tiled, int size) { backward_tiles(stream, tiled, size); });
}

size_t tile_bytes(const KernelCall& call, bool backward) {
  if (backward) return static_cast<size_t>(Workspace(call, call.output.precision == Precision::kBf16).bytes);
  return static_cast<size_t>(call.output.batch * tiling_of(call).tiles() * 2 * call.output.channels) * sizeof(float);
}

// Backward, which way a call goes hangs on its neighbours as well.
size_t workspace_bytes(const KernelCall& call, bool backward) {
  if (!slides(call)) return tile_bytes(call, backward);
  return backward ? std::max(tile_bytes(call, true), sliding::backward_bytes(call)) : sliding::forward_bytes(call);
}

}  // namespace

const OpKernels separable_kernels = {.workspace_bytes = workspace_bytes,
                                     .groups_inputs = true,
                                     .sums_inputs = true,
                                     .forward_group = forward_group,
                                     .backward_group = backward_group};

}  // namespace dartsmith::cuda
