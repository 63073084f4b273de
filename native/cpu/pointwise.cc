#include "cpu/pointwise.h"

#include "cpu/depthwise.h"
#include "cpu/moments.h"
#include "cpu/product.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

// Elements of the input that are gathered at once: they stay in the first-level cache while they are multiplied.
inline constexpr int64_t kGatheredElements = 8192;
inline constexpr int64_t kTaskPixels = 256, kFewestRows = 8;

const Window& window_of(const KernelCall& call) {
  return attributes_of<Conv2dAttributes>(call).window;
}

// The input pixels that output pixels [begin, end) read, at most kTaskPixels; -1 for one outside the image.
struct ReadPixels {
  int64_t at[kTaskPixels];

  ReadPixels(const WindowMap& map, int64_t begin, int64_t end) {
    const AxisMap &rows = map.rows, &columns = map.columns;
    int64_t column = begin % columns.count, row = begin / columns.count % rows.count;
    int64_t image = begin / columns.count / rows.count;
    for (int64_t i = 0; i < end - begin; ++i) {
      const int64_t y = row * rows.source_step + rows.taps[0].offset;
      const int64_t x = column * columns.source_step + columns.taps[0].offset;
      const bool inside = y >= 0 && y < rows.source_size && x >= 0 && x < columns.source_size;
      at[i] = inside ? (image * rows.source_size + y) * columns.source_size + x : -1;
      if (++column < columns.count) continue;
      column = 0;
      if (++row < rows.count) continue;
      row = 0;
      ++image;
    }
  }
};

// What a convolution multiplies: rows [output pixels, depth] of all its inputs' channels side by side.
class Rows {
 public:
  explicit Rows(const KernelCall& call)
      : call_(call),
        map_(forward_map(window_of(call), call.inputs[0], call.output)),
        part_(call.inputs[0].channels),
        activated_(call.links != nullptr && call.links[0].activated) {}

  int64_t depth() const { return part_ * call_.input_count; }
  int64_t width() const { return call_.output.channels; }
  int64_t pixels() const { return pixels_of(call_.output); }
  bool activated() const { return activated_; }
  // Whether they lie in memory as they are.
  bool stored() const { return !activated_ && call_.input_count == 1 && window_of(call_) == Window{}; }
  // Rows that are multiplied at once: as many on every processor, since weight gradients are summed by them.
  int64_t block() const {
    int64_t rows = kTaskPixels;
    while (!stored() && rows > kFewestRows && rows * depth() > kGatheredElements) rows /= 2;
    return rows;
  }

  // Where rows [begin, end) can be read: in place or in `scratch`. Those `ahead` are fetched meanwhile.
  const float* read(int64_t begin, int64_t end, float* scratch, int64_t ahead) const {
    if (stored()) return call_.inputs[0].data + begin * depth();
    const ReadPixels pixels(map_, begin, end);
    for (int k = 0; k < call_.input_count; ++k) {
      for_channels(part_, [&](int64_t c, Lanes lanes) {
        const float* from = call_.inputs[k].data + c;
        const Ahead later(from + ahead * part_);
        float* to = scratch + k * part_ + c;
        for (int64_t i = 0; i < end - begin; ++i, to += depth()) {
          const int64_t pixel = pixels.at[i];
          later.fetch(pixel * part_);
          const Vec value = pixel < 0 ? Vec{} : load_first(from + pixel * part_, lanes);
          store_first(to, activated_ ? relu(value) : value, lanes);
        }
      });
    }
    return scratch;
  }

  // Gradients of rows [begin, end), whose values are `rows`, to those of the inputs. Those `ahead` are fetched
  // meanwhile.
  void leave_gradients(int64_t begin, int64_t end, const float* gradients, const float* rows, int64_t ahead) const {
    const ReadPixels pixels(map_, begin, end);
    for (int k = 0; k < call_.input_count; ++k) {
      const GradientTarget& target = call_.input_gradients[k];
      if (target.mode == GradientMode::kIgnore) continue;
      for_channels(part_, [&](int64_t c, Lanes lanes) {
        int64_t at = k * part_ + c;
        for (int64_t i = 0; i < end - begin; ++i, at += depth()) {
          if (pixels.at[i] < 0) continue;
          float* to = target.data + pixels.at[i] * part_ + c;
          Vec gradient = load_first(gradients + at, lanes);
          if (activated_) gradient = load_first(rows + at, lanes) > Vec{} ? gradient : Vec{};
          if (target.mode == GradientMode::kAccumulate) {
            Ahead(to + ahead * part_).fetch(0);
            gradient += load_first(to, lanes);
          }
          store_first(to, gradient, lanes);
        }
      });
    }
  }

 private:
  const KernelCall& call_;
  const WindowMap map_;
  const int64_t part_;  // channels of an input
  const bool activated_;
};

bool wants_inputs(const KernelCall& call) {
  for (int k = 0; k < call.input_count; ++k) {
    if (call.input_gradients[k].mode != GradientMode::kIgnore) return true;
  }
  return false;
}

// Zeros where a gradient is overwritten but pixels between those that a stride reads get none.
void clear_gradients(Stream& stream, const KernelCall& call) {
  if (window_of(call) == Window{}) return;
  for (int k = 0; k < call.input_count; ++k) {
    const GradientTarget& target = call.input_gradients[k];
    if (target.mode != GradientMode::kOverwrite) continue;
    parallel_ranges(stream, elements_of(call.inputs[k]), kElementGrain,
                    [&](int64_t begin, int64_t end) { fill(target.data + begin, end - begin, 0); });
  }
}

struct BackwardWorkspace {
  float* transposed;  // [width, depth]
  float* partials;    // [pieces, depth, width]
  size_t bytes;

  BackwardWorkspace(const KernelCall& call, void* memory) {
    const Rows rows(call);
    const int64_t matrix = rows.depth() * rows.width();
    const int64_t pieces = call.weight_gradient == nullptr ? 0 : most_pieces(rows.pixels());
    transposed = static_cast<float*>(memory);
    partials = transposed + matrix;
    bytes = static_cast<size_t>((1 + pieces) * matrix) * sizeof(float);
  }
};

// Rows [begin, end) of one piece.
void backward_block(const KernelCall& call, const Rows& rows, int64_t begin, int64_t end, float* scratch,
                    float* partial, bool first) {
  const BackwardWorkspace workspace(call, call.workspace);
  const int64_t depth = rows.depth(), width = rows.width(), count = end - begin;
  const float* dy = call.output_gradient + begin * width;
  float* gradients = scratch + rows.block() * depth;
  const float* x = nullptr;
  if (rows.activated() || partial != nullptr) x = rows.read(begin, end, scratch, count);
  if (partial != nullptr) {
    correlate_rows(x, count, depth, dy, width, partial, first ? GradientMode::kOverwrite : GradientMode::kAccumulate);
  }
  if (!wants_inputs(call)) return;
  if (rows.stored()) {
    const GradientTarget& target = call.input_gradients[0];
    return multiply_rows(dy, count, width, workspace.transposed, depth, target.data + begin * depth, target.mode);
  }
  multiply_rows(dy, count, width, workspace.transposed, depth, gradients);
  rows.leave_gradients(begin, end, gradients, x, count);
}

}  // namespace

bool is_pointwise(const KernelCall& call) {
  const auto& [window, groups] = attributes_of<Conv2dAttributes>(call);
  return groups == 1 && window.kernel[0] == 1 && window.kernel[1] == 1;
}

void pointwise_forward(Stream& stream, const KernelCall& call) {
  const Rows rows(call);
  const int64_t depth = rows.depth(), width = rows.width(), block = rows.block();
  const int64_t ahead = kTaskPixels * pool(stream).threads();  // what this thread is likely to take next
  parallel(stream, divide_up(rows.pixels(), kTaskPixels), [&](int64_t task, int thread) {
    float* scratch = rows.stored() ? nullptr : thread_scratch<float>(stream, thread, block * depth);
    const int64_t last = min(rows.pixels(), (task + 1) * kTaskPixels);
    for (int64_t begin = task * kTaskPixels; begin < last; begin += block) {
      const int64_t end = min(last, begin + block);
      multiply_rows(rows.read(begin, end, scratch, ahead), end - begin, depth, call.weight, width,
                    call.output.data + begin * width);
    }
  });
}

void pointwise_backward(Stream& stream, const KernelCall& call) {
  const Rows rows(call);
  const BackwardWorkspace workspace(call, call.workspace);
  const int64_t depth = rows.depth(), width = rows.width(), block = rows.block();
  const int64_t piece = call.weight_gradient == nullptr ? kTaskPixels : correlation_grain(rows.pixels());
  transpose(call.weight, 1, depth, width, workspace.transposed);
  clear_gradients(stream, call);
  const int64_t pieces = divide_up(rows.pixels(), piece);
  parallel(stream, pieces, [&](int64_t task, int thread) {
    float* scratch = thread_scratch<float>(stream, thread, 2 * block * depth);
    float* partial = call.weight_gradient == nullptr ? nullptr : workspace.partials + task * depth * width;
    const int64_t first = task * piece, last = min(rows.pixels(), first + piece);
    for (int64_t begin = first; begin < last; begin += block) {
      backward_block(call, rows, begin, min(last, begin + block), scratch, partial, begin == first);
    }
  });
  if (call.weight_gradient != nullptr) {
    reduce_partials(stream, workspace.partials, pieces, depth * width, call.weight_gradient);
  }
}

size_t pointwise_workspace_bytes(const KernelCall& call, bool backward) {
  return backward ? BackwardWorkspace(call, nullptr).bytes : 0;
}

}  // namespace dartsmith::cpu::DARTSMITH_ISA
