#include <algorithm>

#include "cuda/launch.h"
#include "cuda/sliding/separable.h"
#include "cuda/sliding/separable_forward.cuh"

namespace dartsmith::cuda::sliding {
namespace {

constexpr int kStripRows[] = {32, 16, 8, 4};
constexpr int64_t kEnoughUnits = 2000;  // of a launch: warps that keep a large GPU busy

const Window& window_of(const KernelCall& call) {
  return attributes_of<SeparableAttributes>(call).window;
}

MotionKind motion_of(const Window& w) {
  if (w.dilation[0] == 1) return w.stride[0] == 1 ? MotionKind::kPlain : MotionKind::kStrided;
  return w.stride[0] == 1 ? MotionKind::kDilated : MotionKind::kStridedDilated;
}

int columns_of(int64_t channels) {
  return static_cast<int>(kLanes / (channels / 2) * kQuadColumns);
}

Cut cut_of(const KernelCall& call, int rows) {
  return {call.inputs[0], call.output, motion_of(window_of(call)), columns_of(call.output.channels), rows};
}

int64_t units_of(const KernelCall& call, int rows) {
  return call.output.batch * cut_of(call, rows).units_an_image();
}

// The longest strips that still make enough units.
int strip_rows_of(const KernelCall* const* calls, int count) {
  for (const int rows : kStripRows) {
    int64_t units = 0;
    for (int m = 0; m < count; ++m) units += units_of(*calls[m], rows);
    if (units >= kEnoughUnits) return rows;
  }
  return *std::ranges::min_element(kStripRows);
}

ForwardStart start_of(const KernelCall& call) {
  const int kernel = window_of(call).kernel[0];
  switch (call.output.channels) {
    case 16:
      return forward_start<16>(kernel, call.precision);
    case 32:
      return forward_start<32>(kernel, call.precision);
    default:
      return forward_start<64>(kernel, call.precision);
  }
}

ForwardMember member_of(const KernelCall& call, int rows) {
  ForwardMember m{};
  m.cut = cut_of(call, rows);
  m.motion = motion_of(window_of(call));
  m.input = call.inputs[0].data;
  m.reading = reading_of(call.links[0]);
  m.depthwise = call.weight;
  m.pointwise = call.bias;
  m.output = call.output.data;
  m.norm = normalisation_of(call);
  m.pixels = pixels_of(call.output);
  m.units = static_cast<Index>(units_of(call, rows));
  m.blocks = static_cast<Index>(divide_up(m.units, kUnits));
  m.moments = {static_cast<float*>(call.workspace), static_cast<int>(call.output.channels), m.units};
  return m;
}

// Calls that one kernel takes.
void forward_alike(CudaStream& stream, const KernelCall* const* calls, int count) {
  const int rows = strip_rows_of(calls, count);
  unsigned* tickets = stream.tickets(count);
  ForwardPhase phase;
  int64_t blocks = 0;
  for (int m = 0; m < count; ++m) {
    ForwardMember& member = phase.members[phase.count++];
    member = member_of(*calls[m], rows);
    member.ticket = tickets + m;
    member.first_block = static_cast<Index>(blocks);
    blocks += member.blocks;
  }
  const ForwardStart start = start_of(*calls[0]);
  launch_blocks(stream, start.kernel, {blocks, start.shared_bytes, kBlockThreads}, phase);
}

}  // namespace

bool takes(const KernelCall& call) {
  const Window& w = window_of(call);
  const Tensor &in = call.inputs[0], &out = call.output;
  const auto one_of = [](int64_t value, std::initializer_list<int64_t> values) {
    return std::ranges::find(values, value) != values.end();
  };
  const auto halved = [](Precision precision) { return precision == Precision::kBf16; };
  return one_of(w.kernel[0], {3, 5}) && w.kernel[0] == w.kernel[1] && one_of(w.stride[0], {1, 2}) &&
         w.stride[0] == w.stride[1] && one_of(w.dilation[0], {1, 2}) && w.dilation[0] == w.dilation[1] &&
         w.padding[0] == w.dilation[0] * (w.kernel[0] / 2) && w.padding[0] == w.padding[1] &&
         one_of(in.channels, {16, 32, 64}) && in.channels == out.channels &&
         halved(in.precision) == halved(call.precision) && halved(out.precision) == halved(call.precision);
}

size_t forward_bytes(const KernelCall& call) {
  const int64_t units = units_of(call, *std::ranges::min_element(kStripRows));
  return static_cast<size_t>(units * 2 * call.output.channels) * sizeof(float);
}

void forward(CudaStream& stream, const std::vector<const KernelCall*>& calls) {
  std::vector<const KernelCall*> sorted = calls;
  const auto kind = [](const KernelCall* call) { return std::pair{window_of(*call).kernel[0], call->output.channels}; };
  std::ranges::stable_sort(sorted, {}, kind);
  for (size_t first = 0; first < sorted.size();) {
    size_t next = first + 1;
    while (next < sorted.size() && next - first < kMembers && kind(sorted[next]) == kind(sorted[first])) ++next;
    forward_alike(stream, sorted.data() + first, static_cast<int>(next - first));
    first = next;
  }
}

}  // namespace dartsmith::cuda::sliding
