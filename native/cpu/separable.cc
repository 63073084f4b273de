// separable: relu, depthwise, pointwise, and the statistics of the batch-norm that follows, image by image and strip by
// strip: what lies between a strip's steps stays in the first-level cache. A normalised input is normalised while its
// tile is loaded. The members of a group read one input: its tile is loaded once for all, and its gradient is summed
// over them before it leaves the cache. Backward mirrors it: the gradient map of the output is applied while loading,
// the depthwise output is recomputed rather than stored, and for a normalised input the batch-norm's gradient sums come
// out of the same pass.
#include "cpu/depthwise.h"
#include "cpu/dropout.h"
#include "cpu/kernels.h"
#include "cpu/moments.h"
#include "cpu/product.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

// Output elements of a strip: with its tile rows, small enough for the first-level cache.
inline constexpr int64_t kStripElements = 4096;

// Pixels of the input's gradient that are masked at once, while the next ones are fetched.
inline constexpr int64_t kMaskedPixels = 32;

const Window& window_of(const KernelCall& call) {
  return attributes_of<SeparableAttributes>(call).window;
}

struct Sizes {
  int64_t inputs, outputs;              // channels
  int64_t input_pixels, output_pixels;  // an image
  int64_t output_width;
  int64_t taps;
  int64_t strip_rows, strips;  // of output rows, an image

  explicit Sizes(const KernelCall& call)
      : inputs(call.inputs[0].channels),
        outputs(call.output.channels),
        input_pixels(call.inputs[0].height * call.inputs[0].width),
        output_pixels(call.output.height * call.output.width),
        output_width(call.output.width),
        taps(int64_t{window_of(call).kernel[0]} * window_of(call).kernel[1]),
        strip_rows(min(call.output.height, max(1, kStripElements / (output_width * max(inputs, outputs))))),
        strips(divide_up(call.output.height, strip_rows)) {}

  int64_t strip_pixels() const { return strip_rows * output_width; }
  int64_t strip_begin(int64_t strip) const { return strip * strip_rows; }
  int64_t strip_end(int64_t strip) const { return min(output_pixels / output_width, (strip + 1) * strip_rows); }
};

// Parts of one thread's scratch, each aligned to a cache line.
class Scratch {
 public:
  explicit Scratch(float* memory) : next_(memory) {}
  float* take(int64_t elements) {
    float* taken = next_;
    next_ += room(elements);
    return taken;
  }
  static int64_t room(int64_t elements) { return divide_up(elements, 16) * 16; }

 private:
  float* next_;
};

// The input of a vector of channels as the relu sees it: normalised, scaled and shifted where its link says so.
struct Preactivation {
  Vec mean = {};
  Vec factor = splat(1);
  Vec shift = {};

  Preactivation(const InputLink& link, int64_t channels, int64_t channel, Lanes lanes) {
    if (link.statistics == nullptr) return;
    mean = load_first(link.statistics + channel, lanes);
    factor = load_first(link.statistics + channels + channel, lanes);
    if (link.scale == nullptr) return;
    factor *= load_first(link.scale + channel, lanes);
    shift = load_first(link.shift + channel, lanes);
  }
  Vec operator()(Vec x) const { return (x - mean) * factor + shift; }
};

// Activates one image of the input that all members of a group read.
void load_input(const KernelCall& call, int64_t image, const Tile& tile) {
  const Tensor& in = call.inputs[0];
  with_elements(in, image * in.height * in.width * in.channels, [&](const auto* from) {
    load_tile(tile, from, in.height, in.width, 0, [&](int64_t channel, Lanes lanes) {
      const Preactivation before(call.links[0], in.channels, channel, lanes);
      return [=](Vec x) { return relu(before(x)); };
    });
  });
}

WindowMap window_map(const KernelCall& call) {
  return forward_map(window_of(call), call.inputs[0], call.output);
}

// What the members of a group read of their input.
Frame input_frame(const KernelCall* calls, int count) {
  Frame frame;
  for (int m = 0; m < count; ++m) frame = unite(frame, frame_of(window_map(calls[m])));
  return frame;
}

// What the members' data gradients read of the depthwise output's gradient.
Frame gradient_frame(const KernelCall* calls, int count) {
  Frame frame;
  for (int m = 0; m < count; ++m) {
    const KernelCall& call = calls[m];
    frame = unite(frame, {0, 0, call.output.height, call.output.width});
    for_backward_maps(window_of(call), call.inputs[0], call.output,
                      [&](const WindowMap& map) { frame = unite(frame, frame_of(map)); });
  }
  return frame;
}

DepthwiseWalk walk_of(const KernelCall& call, const Tensor& target, GradientMode mode, Traffic& traffic) {
  return {.source = nullptr,
          .target = nullptr,
          .weights = call.weight,
          .batch = 1,
          .channels = call.inputs[0].channels,
          .target_height = target.height,
          .target_width = target.width,
          .kernel_columns = window_of(call).kernel[1],
          .mode = mode,
          .traffic = &traffic};
}

// The depthwise output of a strip, to `target`.
void depthwise_strip(const KernelCall& call, const Sizes& sizes, const WindowMap& map, const Tile& tile, int64_t strip,
                     float* target, Traffic& traffic) {
  const int64_t begin = sizes.strip_begin(strip);
  walk_rows(map, walk_of(call, call.output, GradientMode::kOverwrite, traffic), tile, begin, sizes.strip_end(strip),
            target - begin * sizes.output_width * sizes.inputs);
}

// The input of an image that comes soon, fetched in equal parts while the strips of another are computed.
class NextInput {
 public:
  NextInput(const Tensor& input, int64_t image, int64_t steps) : input_(input), image_(image), steps_(steps) {}

  void fetch_part(Traffic& traffic) {
    if (image_ >= input_.batch) return;
    const int64_t elements = input_.height * input_.width * input_.channels;
    const int64_t begin = elements * step_ / steps_, end = elements * (step_ + 1) / steps_;
    ++step_;
    with_elements(input_, image_ * elements + begin, [&](const auto* from) { traffic.fetch(from, end - begin); });
  }

 private:
  const Tensor& input_;
  int64_t image_, steps_, step_ = 0;
};

int64_t strips_of(const KernelCall* calls, int count) {
  int64_t strips = 0;
  for (int m = 0; m < count; ++m) strips += Sizes(calls[m]).strips;
  return strips;
}

// To where the result is kept in bfloat16, and back: its statistics are those of what is kept.
void round_pixels(const Tensor& output, int64_t first, float* result, int64_t elements) {
  Bfloat16* to = reinterpret_cast<Bfloat16*>(output.data) + first;
  for (int64_t i = 0; i < elements; i += kLanes) {
    const Lanes lanes(elements - i);
    store_first(result + i, store_first(to + i, load_first(result + i, lanes), lanes), lanes);
  }
}

// One thread's buffers for an image's forward, shared by the members of a group one after another.
struct ForwardBuffers {
  Tile tile;         // the activated input
  float* depthwise;  // [strip pixels, inputs]
  float* result;     // [strip pixels, outputs]
  float* left;       // the one before, which may still have to be copied out

  static int64_t elements(int64_t tile, int64_t narrow, int64_t wide) {
    return Scratch::room(tile) + Scratch::room(narrow) + 2 * Scratch::room(wide);
  }
  ForwardBuffers(const Frame& frame, int64_t channels, int64_t narrow, int64_t wide, float* memory) {
    Scratch scratch(memory);
    depthwise = scratch.take(narrow);
    result = scratch.take(wide);
    left = scratch.take(wide);
    tile = {scratch.take(Tile::elements(frame, channels)), frame, channels};
  }
  // Has the result copied out while the next one is computed. Returns where it can be read until then.
  const float* leave_result(float* to, int64_t elements, Traffic& traffic) {
    float* leaving = result;
    traffic.leave(to, leaving, elements);
    result = left;
    left = leaving;
    return leaving;
  }
};

// The pointwise output of a strip's `pixels`, kept from element `first` of the output on. Returns where it can be read.
const float* pointwise_strip(const KernelCall& call, const Sizes& sizes, int64_t pixels, int64_t first,
                             ForwardBuffers& buffers, Traffic& traffic) {
  const Tensor& output = call.output;
  const int64_t elements = pixels * sizes.outputs;
  const bool rounds = output.precision == Precision::kBf16, stays = !rounds && stays_cached(output);
  float* target = stays ? output.data + first : buffers.result;
  multiply_rows(buffers.depthwise, pixels, sizes.inputs, call.bias, sizes.outputs, target, GradientMode::kOverwrite,
                &traffic);
  if (rounds) round_pixels(output, first, target, elements);
  return rounds || stays ? target : buffers.leave_result(output.data + first, elements, traffic);
}

void forward_image(const KernelCall& call, int64_t image, ForwardBuffers& buffers, NextInput& next, Traffic& traffic) {
  const Sizes sizes(call);
  const WindowMap map = window_map(call);
  float* moments = static_cast<float*>(call.workspace) + image * sizes.strips * 2 * sizes.outputs;
  for (int64_t strip = 0; strip < sizes.strips; ++strip) {
    const int64_t begin = sizes.strip_begin(strip) * sizes.output_width;
    const int64_t pixels = sizes.strip_end(strip) * sizes.output_width - begin;
    const int64_t first = (image * sizes.output_pixels + begin) * sizes.outputs;
    traffic.clear_fetches();
    next.fetch_part(traffic);
    depthwise_strip(call, sizes, map, buffers.tile, strip, buffers.depthwise, traffic);
    const float* kept = pointwise_strip(call, sizes, pixels, first, buffers, traffic);
    if (measures(call.norm->statistics)) {
      piece_moments(kept, pixels, sizes.outputs, moments + strip * 2 * sizes.outputs);
    }
  }
}

// Floats that hold any member's strip of `channels`.
template <typename Channels>
int64_t largest_strip(const KernelCall* calls, int count, const Channels& channels) {
  int64_t elements = 0;
  for (int m = 0; m < count; ++m) {
    const Sizes sizes(calls[m]);
    elements = max(elements, sizes.strip_pixels() * channels(sizes));
  }
  return elements;
}

int64_t input_channels(const Sizes& sizes) {
  return sizes.inputs;
}
int64_t output_channels(const Sizes& sizes) {
  return sizes.outputs;
}

void forward_group(Stream& stream, const KernelCall* calls, int count) {
  const Tensor& in = calls[0].inputs[0];
  const Frame frame = input_frame(calls, count);
  const int64_t narrow = largest_strip(calls, count, input_channels);
  const int64_t wide = largest_strip(calls, count, output_channels);
  const int64_t elements = ForwardBuffers::elements(Tile::elements(frame, in.channels), narrow, wide);
  const int64_t steps = strips_of(calls, count);
  parallel(stream, in.batch, [&](int64_t image, int thread) {
    ForwardBuffers buffers(frame, in.channels, narrow, wide, thread_scratch<float>(stream, thread, elements));
    load_input(calls[0], image, buffers.tile);
    NextInput next(in, image + pool(stream).threads(), steps);
    Traffic traffic(pool(stream).tuning());
    for (int m = 0; m < count; ++m) forward_image(calls[m], image, buffers, next, traffic);
    traffic.finish();
    finish_copies();
  });
  parallel(stream, count, [&](int64_t m, int) {
    const Sizes sizes(calls[m]);
    finish_moments(calls[m], static_cast<const float*>(calls[m].workspace),
                   {in.batch, sizes.output_pixels, sizes.strip_pixels()});
  });
}

// Images whose weight gradients are summed before they leave the task: few enough partial sums to add up later, enough
// tasks for many threads.
int64_t images_a_task(int64_t batch) {
  return min(4, divide_up(batch, 32));
}
int64_t tasks_of(int64_t batch) {
  return divide_up(batch, images_a_task(batch));
}
// Of that many images or fewer.
int64_t most_tasks(int64_t batch) {
  return max(min(32, batch), divide_up(batch, 4));
}

// Where a backward call's workspace holds what.
struct BackwardWorkspace {
  float* transposed;          // [outputs, inputs]
  float* depthwise_partials;  // [tasks, taps, inputs]
  float* pointwise_partials;  // [tasks, inputs, outputs]
  float* sums;                // [batch, 2, inputs]: of the input's gradient; times the centred input
  GradientSums* joined;       // [inputs]
  size_t bytes;

  BackwardWorkspace(const Sizes& sizes, int64_t batch, void* memory) {
    joined = static_cast<GradientSums*>(memory);
    transposed = reinterpret_cast<float*>(joined + sizes.inputs);
    depthwise_partials = transposed + sizes.outputs * sizes.inputs;
    const int64_t tasks = most_tasks(batch);
    pointwise_partials = depthwise_partials + tasks * sizes.taps * sizes.inputs;
    sums = pointwise_partials + tasks * sizes.inputs * sizes.outputs;
    bytes = static_cast<size_t>(sizes.inputs) * sizeof(GradientSums) +
            static_cast<size_t>(sizes.outputs * sizes.inputs + tasks * sizes.taps * sizes.inputs +
                                tasks * sizes.inputs * sizes.outputs + batch * 2 * sizes.inputs) *
                sizeof(float);
  }
  BackwardWorkspace(const KernelCall& call) : BackwardWorkspace(Sizes(call), call.inputs[0].batch, call.workspace) {}
};

// One thread's buffers for an image's backward, shared by the members of a group one after another.
struct BackwardScratch {
  int64_t strip_gradient = 0, strip_depthwise = 0, depthwise_gradient = 0, input = 0, tile = 0;  // elements
  Frame gradients;  // of the depthwise output
  Frame frame;      // of the tile

  BackwardScratch(const KernelCall* calls, int count, bool wants_weights)
      : strip_gradient(largest_strip(calls, count, output_channels)),
        strip_depthwise(wants_weights ? largest_strip(calls, count, input_channels) : 0),
        input(calls[0].inputs[0].height * calls[0].inputs[0].width * calls[0].inputs[0].channels) {
    const int64_t channels = calls[0].inputs[0].channels;
    gradients = gradient_frame(calls, count);
    depthwise_gradient = Tile::elements(gradients, channels);
    if (!wants_weights) return;
    frame = input_frame(calls, count);
    tile = Tile::elements(frame, channels);
  }
  int64_t elements() const {
    return Scratch::room(strip_gradient) + Scratch::room(strip_depthwise) + Scratch::room(depthwise_gradient) +
           Scratch::room(input) + Scratch::room(tile);
  }
};

struct BackwardBuffers {
  float* strip_gradient;                      // [strip pixels, outputs], of the pointwise output
  float* strip_depthwise;                     // [strip pixels, inputs]
  Tile gradients;                             // of the depthwise output, zero around it
  float* input_gradient;                      // [input pixels, inputs], before the relu
  Tile tile;                                  // the activated input, where weights want it
  int64_t clear_height = 0, clear_width = 0;  // the image around which `gradients` is zero

  BackwardBuffers(const BackwardScratch& sizes, int64_t channels, float* memory) {
    Scratch scratch(memory);
    strip_gradient = scratch.take(sizes.strip_gradient);
    strip_depthwise = scratch.take(sizes.strip_depthwise);
    gradients = {scratch.take(sizes.depthwise_gradient), sizes.gradients, channels};
    input_gradient = scratch.take(sizes.input);
    tile = {scratch.take(sizes.tile), sizes.frame, channels};
  }
  void clear_around(int64_t height, int64_t width) {
    if (clear_height == height && clear_width == width) return;
    fill_outside(gradients, height, width, 0);
    clear_height = height;
    clear_width = width;
  }
};

// The gradient of the pointwise output, A * g + B * y + D, of pixels [first, first + pixels) of the batch; `kept` is
// what their sample's g is multiplied by.
void apply_gradient_map(const KernelCall& call, int64_t first, int64_t pixels, float kept, float* target) {
  const int64_t channels = call.output.channels;
  const float* map = call.output_gradient_map;
  const float* gradient = call.output_gradient + first * channels;
  with_elements(call.output, first * channels, [&](const auto* value) {
    for_channels(channels, [&](int64_t c, Lanes lanes) {
      const Vec a = splat(kept) * load_first(map + c, lanes), b = load_first(map + channels + c, lanes);
      const Vec d = load_first(map + 2 * channels + c, lanes);
      for (int64_t at = c; at < pixels * channels; at += channels) {
        const Vec g = load_first(gradient + at, lanes);
        store_first(target + at, multiply_add(a, g, multiply_add(b, load_first(value + at, lanes), d)), lanes);
      }
    });
  });
}

// Adds what apply_gradient_map reads of a strip.
void fetch_gradients(const KernelCall& call, int64_t image, int64_t strip, Traffic& traffic) {
  const Sizes sizes(call);
  const int64_t rows = sizes.strip_end(strip) - sizes.strip_begin(strip);
  const int64_t elements = rows * sizes.output_width * sizes.outputs;
  const int64_t first = (image * sizes.output_pixels + sizes.strip_begin(strip) * sizes.output_width) * sizes.outputs;
  traffic.fetch(call.output_gradient + first, elements);
  with_elements(call.output, first, [&](const auto* value) { traffic.fetch(value, elements); });
}

// What follows a member's last strip: the first of the next member or image.
struct Following {
  const KernelCall* call;  // null for nothing
  int64_t image;
};

// The gradient of an image's depthwise output, into its tile; the weight gradients on the way.
void backward_strips(const KernelCall& call, const Sizes& sizes, int64_t image, const BackwardBuffers& buffers,
                     const Following& following, Traffic& traffic, NextInput& next) {
  const BackwardWorkspace workspace(call);
  const bool wants_weights = call.weight_gradient != nullptr;
  const WindowMap map = window_map(call);
  const float kept = sample_factor(call, call.output_dropout, image);
  const Tile& gradients = buffers.gradients;
  const int64_t images = images_a_task(call.inputs[0].batch), task = image / images, width = sizes.output_width;
  float* depthwise_partial = workspace.depthwise_partials + task * sizes.taps * sizes.inputs;
  float* pointwise_partial = workspace.pointwise_partials + task * sizes.inputs * sizes.outputs;
  for (int64_t strip = 0; strip < sizes.strips; ++strip) {
    const int64_t begin = sizes.strip_begin(strip), end = sizes.strip_end(strip);
    apply_gradient_map(call, image * sizes.output_pixels + begin * width, (end - begin) * width, kept,
                       buffers.strip_gradient);
    traffic.clear_fetches();
    if (strip + 1 < sizes.strips) {
      fetch_gradients(call, image, strip + 1, traffic);
    } else if (following.call != nullptr) {
      fetch_gradients(*following.call, following.image, 0, traffic);
    }
    next.fetch_part(traffic);
    multiply_into_tile(buffers.strip_gradient, end - begin, width, sizes.outputs, workspace.transposed, gradients,
                       begin, &traffic);
    if (!wants_weights) continue;
    const bool first = image % images == 0 && strip == 0;
    const GradientMode mode = first ? GradientMode::kOverwrite : GradientMode::kAccumulate;
    depthwise_strip(call, sizes, map, buffers.tile, strip, buffers.strip_depthwise, traffic);
    correlate_rows(buffers.strip_depthwise, (end - begin) * width, sizes.inputs, buffers.strip_gradient, sizes.outputs,
                   pointwise_partial, mode);
    correlate_tile(map, buffers.tile, begin, end, GradientImage(gradients), window_of(call).kernel[1],
                   depthwise_partial, mode, &traffic);
  }
}

// One member's part of an image's backward; the first overwrites the input gradient.
void backward_image(const KernelCall& call, int64_t image, BackwardBuffers& buffers, bool first,
                    const Following& following, NextInput& next, const Tuning& tuning) {
  const Sizes sizes(call);
  const Tensor& in = call.inputs[0];
  buffers.clear_around(call.output.height, call.output.width);
  Traffic traffic(tuning);
  backward_strips(call, sizes, image, buffers, following, traffic, next);
  if (call.input_gradients[0].mode == GradientMode::kIgnore) return;
  const DepthwiseWalk walk = walk_of(call, in, first ? GradientMode::kOverwrite : GradientMode::kAccumulate, traffic);
  for_backward_maps(window_of(call), in, call.output, [&](const WindowMap& map) {
    walk_rows(map, walk, buffers.gradients, 0, map.rows.count, buffers.input_gradient);
  });
}

// Where the relu let the input through, to the target; a normalised input's batch-norm sums on the way. Overwrites
// `gradient`.
template <typename Element>
void mask_input_gradient(const KernelCall& call, const Sizes& sizes, const Element* x, int64_t first, float* gradient,
                         float* sums, const Tuning& tuning) {
  const int64_t channels = sizes.inputs, pixels = sizes.input_pixels;
  const GradientTarget& target = call.input_gradients[0];
  const bool accumulates = target.mode == GradientMode::kAccumulate;
  const bool leaves = !accumulates && !stays_cached(call.inputs[0]);
  fill(sums, 2 * channels, 0);
  for (int64_t begin = 0; begin < pixels; begin += kMaskedPixels) {
    const int64_t end = min(pixels, begin + kMaskedPixels), ahead = (min(pixels, end + kMaskedPixels) - end) * channels;
    fetch_ahead(x + end * channels, ahead);
    if (accumulates) fetch_ahead(target.data + first + end * channels, ahead);
    for_channels(channels, [&](int64_t c, Lanes lanes) {
      const Preactivation before(call.links[0], channels, c, lanes);
      Vec gradients = {}, products = {};
      for (int64_t at = begin * channels + c; at < end * channels; at += channels) {
        const Vec value = load_first(x + at, lanes);
        Vec g = before(value) > Vec{} ? load_first(gradient + at, lanes) : Vec{};
        gradients += g;
        products += g * (value - before.mean);
        if (accumulates) g += load_first(target.data + first + at, lanes);
        store_first(leaves ? gradient + at : target.data + first + at, g, lanes);
      }
      store_first(sums + c, load_first(sums + c, lanes) + gradients, lanes);
      store_first(sums + channels + c, load_first(sums + channels + c, lanes) + products, lanes);
    });
    if (!leaves) continue;
    copy_out(target.data + first + begin * channels, gradient + begin * channels, (end - begin) * channels, tuning);
  }
}

// The gradients of a normalised input's scale and shift, and the map of its own.
void finish_normalised_input(const KernelCall& call, const BackwardWorkspace& workspace) {
  const int64_t channels = call.inputs[0].channels, batch = call.inputs[0].batch;
  const InputLink& link = call.links[0];
  for (int64_t c = 0; c < channels; ++c) {
    GradientSums& sum = workspace.joined[c] = {0, 0};
    for (int64_t image = 0; image < batch; ++image) {
      sum.gradient += workspace.sums[image * 2 * channels + c];
      sum.centred_product += workspace.sums[(image * 2 + 1) * channels + c];
    }
    if (link.scale_gradient == nullptr) continue;
    link.scale_gradient[c] = static_cast<float>(sum.centred_product * double{link.statistics[channels + c]});
    link.shift_gradient[c] = static_cast<float>(sum.gradient);
  }
  write_gradient_map(workspace.joined, link, channels, 1, statistics_pixels(call, pixels_of(call.inputs[0])));
}

// Every member's part of one image.
void backward_members(const KernelCall* calls, int count, int64_t image, int64_t end, int64_t steps,
                      BackwardBuffers& buffers, const Tuning& tuning) {
  const Tensor& in = calls[0].inputs[0];
  if (calls[0].weight_gradient != nullptr) load_input(calls[0], image, buffers.tile);
  // The alpha pass reads the input last, of this image.
  NextInput next(in, calls[0].weight_gradient != nullptr ? (image + 1 < end ? image + 1 : in.batch) : image, steps);
  for (int m = 0; m < count; ++m) {
    const bool last = m + 1 == count;
    const Following following =
        last ? Following{image + 1 < end ? calls : nullptr, image + 1} : Following{calls + m + 1, image};
    backward_image(calls[m], image, buffers, m == 0, following, next, tuning);
  }
  if (calls[0].input_gradients[0].mode == GradientMode::kIgnore) return;
  const Sizes sizes(calls[0]);
  const int64_t first = image * sizes.input_pixels * in.channels;
  float* sums = BackwardWorkspace(calls[0]).sums + image * 2 * in.channels;
  with_elements(in, first, [&](const auto* x) {
    mask_input_gradient(calls[0], sizes, x, first, buffers.input_gradient, sums, tuning);
  });
}

void reduce_weight_gradients(Stream& stream, const KernelCall& call) {
  const BackwardWorkspace workspace(call);
  const Sizes sizes(call);
  const int64_t tasks = tasks_of(call.inputs[0].batch);
  reduce_partials(stream, workspace.depthwise_partials, tasks, sizes.taps * sizes.inputs, call.weight_gradient);
  reduce_partials(stream, workspace.pointwise_partials, tasks, sizes.inputs * sizes.outputs, call.bias_gradient);
}

void backward_group(Stream& stream, const KernelCall* calls, int count) {
  const Tensor& in = calls[0].inputs[0];
  const bool wants_weights = calls[0].weight_gradient != nullptr;
  const BackwardScratch sizes(calls, count, wants_weights);
  parallel(stream, count, [&](int64_t m, int) {
    transpose(calls[m].bias, 1, in.channels, calls[m].output.channels, BackwardWorkspace(calls[m]).transposed);
  });
  const int64_t images = images_a_task(in.batch), steps = strips_of(calls, count);
  parallel(stream, tasks_of(in.batch), [&](int64_t task, int thread) {
    BackwardBuffers buffers(sizes, in.channels, thread_scratch<float>(stream, thread, sizes.elements()));
    const int64_t end = min(in.batch, (task + 1) * images);
    for (int64_t image = task * images; image < end; ++image) {
      backward_members(calls, count, image, end, steps, buffers, pool(stream).tuning());
    }
    finish_copies();
  });
  for (int m = 0; m < count && wants_weights; ++m) reduce_weight_gradients(stream, calls[m]);
  const bool wants_input = calls[0].input_gradients[0].mode != GradientMode::kIgnore;
  if (wants_input && calls[0].links[0].gradient_map != nullptr) {
    finish_normalised_input(calls[0], BackwardWorkspace(calls[0]));
  }
}

size_t workspace_bytes(const KernelCall& call, bool backward) {
  const Sizes sizes(call);
  const int64_t batch = call.inputs[0].batch;
  if (!backward) return static_cast<size_t>(batch * sizes.strips * 2 * sizes.outputs) * sizeof(float);
  return BackwardWorkspace(sizes, batch, nullptr).bytes;
}

}  // namespace

const OpKernels separable_kernels = {
    .workspace_bytes = workspace_bytes, .forward_group = forward_group, .backward_group = backward_group};

}  // namespace dartsmith::cpu::DARTSMITH_ISA
