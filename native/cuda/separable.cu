// Separables in tiles: what their calls ask for, brought together by the inputs that they read.
#include <algorithm>
#include <span>
#include <vector>

#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "cuda/separable.cuh"
#include "cuda/sliding/choice.h"
#include "cuda/sliding/separable.h"

namespace dartsmith::cuda {
namespace {

using namespace separable;

// Statistics of the outputs, a warp a channel.
__global__ void __launch_bounds__(kThreads) tiles_moments_kernel(DARTSMITH_ARGUMENT(Separable) s) {
  begin_kernel();
  for_warps(int64_t{s.count} * s.outputs, [&](Index item) {
    const Member& member = s.members[item / static_cast<Index>(s.outputs)];
    const int channel = static_cast<int>(item % static_cast<Index>(s.outputs));
    if (channel >= member.output.channels) return;
    const Tiling& tiling = s.runs[member.run].tiling;
    finish_moments(
        member.norm, member.moments, channel, static_cast<double>(s.batch * tiling.height * tiling.width),
        [&](Index piece) { return tiling.count(static_cast<int>(piece % static_cast<Index>(tiling.tiles()))); });
  });
}

// The weight gradients of members that want them, from the sums of slices.
__global__ void __launch_bounds__(kThreads) tiles_weights_join_kernel(DARTSMITH_ARGUMENT(Separable) s) {
  begin_kernel();
  for_grid(s.count * s.weight_elements, [&](Index item) {
    const Member& member = s.members[item / static_cast<Index>(s.weight_elements)];
    const int inputs = inputs_of(s.runs[member.run]);
    const Index e = item % static_cast<Index>(s.weight_elements);
    const int64_t depthwise = int64_t{member.window.taps()} * inputs, elements = weight_elements(member, inputs);
    if (member.weight_tasks == 0 || e >= elements) return;
    float sum = 0;
    for (Index slice = 0; slice < member.slices; ++slice) sum += member.weight_partials[slice * elements + e];
    (e < depthwise ? member.weight_gradient[e] : member.pointwise_gradient[e - depthwise]) = sum;
  });
}

// What flows back into the inputs' batch norms, a warp a channel.
__global__ void __launch_bounds__(kThreads) tiles_data_join_kernel(DARTSMITH_ARGUMENT(Separable) s) {
  begin_kernel();
  for_warps(int64_t{s.run_count} * s.inputs, [&](Index item) {
    const Run& run = s.runs[item / static_cast<Index>(s.inputs)];
    const int channel = static_cast<int>(item % static_cast<Index>(s.inputs));
    if (channel >= inputs_of(run) || run.gradient_map == nullptr || run.mode == GradientMode::kIgnore) return;
    finish_input(run, channel, inputs_of(run));
  });
}

bool slides(const KernelCall& call) {
  return sliding::chosen() && sliding::takes(call);
}

// The smallest power of two that is not less.
int64_t power_of_two(int64_t size) {
  int64_t result = 1;
  while (result < size) result *= 2;
  return result;
}

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
  m.dropout = sample_dropout_of(call, call.output_dropout);
  m.depthwise_gradient = {memory + workspace.depthwise_gradient, static_cast<int>(call.inputs[0].channels), half};
  m.weight_gradient = call.weight_gradient;
  m.pointwise_gradient = call.bias_gradient;
  m.weight_partials = reinterpret_cast<float*>(memory);
  return m;
}

Run run_of_calls(const Separable& s, const KernelCall& call, int first, int count) {
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
  const int64_t places = s.batch * run.tiling.tiles();
  run.members_a_task = static_cast<int>(larger(1, smaller(count, divide_up(count * places, kEnoughTasks))));
  run.tasks = places * divide_up(count, run.members_a_task);
  return run;
}

// The data gradient of a run, as its first call wants it.
void add_gradient(const Separable& s, const KernelCall& call, Run& run) {
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
  const int64_t places = s.batch * run.input_tiling.tiles();
  run.sums = {reinterpret_cast<float*>(static_cast<unsigned char*>(call.workspace) + workspace.input_sums),
              run.input.channels, places};
  run.gradient_tasks = places * divide_up(run.input.channels, run.chunk);
}

// Of a member whose weight gradients are wanted, where `weighed` of a launch are.
void cut_weights(const Separable& s, const Run& run, int64_t weighed, Member& member) {
  const int64_t tiles = s.batch * run.tiling.tiles();
  const int64_t pairs = divide_up(run.input.channels, run.chunk) * divide_up(member.output.channels, run.columns);
  // No more than keep the device busy: each begins and ends with work of its own.
  const int64_t slices = larger(1, smaller(kWeightTasks, kEnoughTasks / (weighed * pairs)));
  member.tiles_a_slice = static_cast<Index>(divide_up(tiles, slices));
  member.slices = static_cast<Index>(divide_up(tiles, member.tiles_a_slice));
  member.weight_tasks = member.slices * pairs;
}

// Calls that read one input, brought together; as many as one launch takes.
Separable separable_of(const KernelCall* const* calls, int count, bool backward) {
  Separable s{};
  s.count = count;
  s.batch = calls[0]->inputs[0].batch;
  for (int m = 0; m < count; ++m) s.members[m] = member_of(*calls[m], backward);
  for (int first = 0; first < count;) {
    int next = first + 1;
    while (next < count && same_run(*calls[first], *calls[next])) ++next;
    Run run = run_of_calls(s, *calls[first], first, next - first);
    run.first_task = s.tasks;
    s.tasks += run.tasks;
    if (backward) add_gradient(s, *calls[first], run);
    run.first_gradient_task = s.gradient_tasks;
    s.gradient_tasks += run.gradient_tasks;
    for (int m = first; m < next; ++m) s.members[m].run = s.run_count;
    s.extent.cover(run);
    s.inputs = static_cast<int>(larger(s.inputs, run.input.channels));
    s.runs[s.run_count++] = run;
    first = next;
  }
  const std::span members(s.members, static_cast<size_t>(count));
  const int64_t weighed = std::ranges::count_if(members, [](const Member& m) { return m.weight_gradient != nullptr; });
  for (Member& member : members) {
    const Run& run = s.runs[member.run];
    s.outputs = static_cast<int>(larger(s.outputs, member.output.channels));
    member.first_task = s.tile_tasks;
    s.tile_tasks += s.batch * run.tiling.tiles();
    member.first_weight_task = s.weight_tasks;
    if (member.weight_gradient == nullptr) continue;
    cut_weights(s, run, weighed, member);
    s.weight_tasks += member.weight_tasks;
    s.weight_elements = larger(s.weight_elements, weight_elements(member, run.input.channels));
  }
  return s;
}

// Calls body(calls, count) for parts of a group that one launch takes, those of one input side by side. Members of one
// input that do not agree in their tiles go to launches of their own: both would write its gradient.
template <typename Body>
void for_launches(const KernelCall* calls, int count, const Body& body) {
  std::vector<const KernelCall*> sorted;
  for (int m = 0; m < count; ++m) sorted.push_back(calls + m);
  std::ranges::stable_sort(sorted, {}, [](const KernelCall* call) { return call->inputs[0].data; });
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
Layout layout_of(const Separable& s) {
  Layout layout = s.runs[0].input.layout();
  for (const Run& run : std::span(s.runs, static_cast<size_t>(s.run_count))) {
    layout = shared_layout(layout, run.input.layout());
    if (run.target.data != nullptr) layout = shared_layout(layout, run.target.layout());
  }
  for (const Member& member : std::span(s.members, static_cast<size_t>(s.count))) {
    for (const View& view : {member.output, member.gradient, member.depthwise_gradient}) {
      if (view.data != nullptr) layout = shared_layout(layout, view.layout());
    }
  }
  return layout;
}

// Bytes of shared memory by `Parts<precision>`.
template <template <Precision> typename Parts>
size_t bytes_of(const Separable& s, Precision precision) {
  return with_precision(precision, [&](auto known) { return shared_bytes<Parts<known.value>>(s); });
}

void forward_tiles(CudaStream& stream, const KernelCall* calls, int count) {
  for_launches(calls, count, [&](const KernelCall* const* part, int size) {
    const Separable s = separable_of(part, size, false);
    const Layout layout = layout_of(s);
    const Precision precision = product_precision(part[0]->precision, layout);
    launch(stream, forward_kernel(precision, layout), {s.tasks, bytes_of<ForwardParts>(s, precision)}, s);
    launch(stream, Kernel{tiles_moments_kernel}, {divide_up(int64_t{s.count} * s.outputs, kWarps)}, s);
  });
}

// What the depthwise outputs' gradients lead to does not hang on each other.
void backward_tiles(CudaStream& stream, const KernelCall* calls, int count) {
  for_launches(calls, count, [&](const KernelCall* const* part, int size) {
    const Separable s = separable_of(part, size, true);
    const Layout layout = layout_of(s);
    const Precision precision = product_precision(part[0]->precision, layout);
    launch(stream, product_kernel(precision, layout), {s.tile_tasks, bytes_of<TileParts>(s, precision)}, s);
    stream.in_branches(2, [&](int branch) {
      if (branch == 0 && s.gradient_tasks > 0) {
        launch(stream, data_kernel(layout), {s.gradient_tasks, shared_bytes<GradientParts>(s)}, s);
        launch(stream, Kernel{tiles_data_join_kernel}, {divide_up(int64_t{s.run_count} * s.inputs, kWarps)}, s);
      } else if (branch == 1 && s.weight_tasks > 0) {
        launch(stream, weights_kernel(precision, layout), {s.weight_tasks, bytes_of<WeightParts>(s, precision)}, s);
        launch(stream, Kernel{tiles_weights_join_kernel}, a_thread_each(s.count * s.weight_elements), s);
      }
    });
  });
}

void forward_group(Stream& stream, const KernelCall* calls, int count) {
  sliding::share(
      calls, count, slides, [&](const sliding::Calls& own) { sliding::forward(CudaStream::of(stream), own); },
      [&](const KernelCall* tiled, int size) { forward_tiles(CudaStream::of(stream), tiled, size); });
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
      [&](const KernelCall* tiled, int size) { backward_tiles(CudaStream::of(stream), tiled, size); });
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
