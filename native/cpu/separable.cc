// separable: relu, depthwise, pointwise, and the statistics of the batch-norm that follows, image by image: what lies
// between the steps stays in the second-level cache. A normalised input is normalised while its tile is loaded.
// Backward mirrors it: the gradient map of the output is applied while loading, the depthwise output is recomputed
// rather than stored, and for a normalised input the batch-norm's gradient sums come out of the same pass.
#include "cpu/depthwise.h"
#include "cpu/kernels.h"
#include "cpu/moments.h"
#include "cpu/product.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

struct Sizes {
  int64_t inputs, outputs;              // channels
  int64_t input_pixels, output_pixels;  // an image
  int64_t taps;

  explicit Sizes(const KernelCall& call)
      : inputs(call.inputs[0].channels),
        outputs(call.output.channels),
        input_pixels(call.inputs[0].height * call.inputs[0].width),
        output_pixels(call.output.height * call.output.width),
        taps(int64_t{call.node->window.kernel[0]} * call.node->window.kernel[1]) {}
};

// relu of the input, of the normalised input where it is one.
struct Activation {
  const float* statistics;  // null for a plain input
  int64_t channels;

  // Copies activated pixels.
  void operator()(float* to, const float* from, int64_t pixels) const {
    if (statistics == nullptr) {
      for (int64_t i = 0; i < pixels * channels; i += kLanes) {
        const Lanes lanes(pixels * channels - i);
        store_first(to + i, relu(load_first(from + i, lanes)), lanes);
      }
      return;
    }
    for_channels(channels, [&](int64_t c, Lanes lanes) {
      const Vec mean = load_first(statistics + c, lanes), deviation = load_first(statistics + channels + c, lanes);
      for (int64_t p = 0; p < pixels; ++p) {
        const Vec x = load_first(from + p * channels + c, lanes);
        store_first(to + p * channels + c, relu((x - mean) * deviation), lanes);
      }
    });
  }

  static Vec relu(Vec x) { return x < Vec{} ? Vec{} : x; }  // NaN stays NaN
};

DepthwiseWalk walk_into(const KernelCall& call, float* target, int64_t height, int64_t width) {
  return {.source = nullptr,  // tiles are loaded by the caller
          .target = target,
          .weights = call.weight,
          .batch = 1,
          .channels = call.inputs[0].channels,
          .target_height = height,
          .target_width = width,
          .kernel_columns = call.node->window.kernel[1],
          .scale = nullptr,
          .source_scale = nullptr,
          .mode = GradientMode::kOverwrite};
}

// Calls body(tile) for each tile of an image's activated input.
template <typename Body>
void for_tiles(const KernelCall& call, const WindowMap& map, const TilePlan& plan, int64_t image, float* scratch,
               const Body& body) {
  const Activation activation{call.links[0].statistics, call.inputs[0].channels};
  for (int64_t strip = 0; strip < plan.strips; ++strip) {
    body(load_tile(plan, map, call.inputs[0].data, image, strip, scratch, 0, activation));
  }
}

void forward(Stream& stream, const KernelCall& call) {
  const Sizes sizes(call);
  const Tensor &in = call.inputs[0], &out = call.output;
  const WindowMap map = forward_map(call.node->window, in, out);
  const TilePlan plan = plan_tiles(map, in.channels);
  const int64_t image_pieces = divide_up(sizes.output_pixels, kPiecePixels);
  auto* moments = static_cast<float*>(call.workspace);  // [batch, pieces, 2, outputs]
  parallel(stream, in.batch, [&](int64_t image, int thread) {
    const int64_t narrow = sizes.output_pixels * sizes.inputs, wide = sizes.output_pixels * sizes.outputs;
    float* depthwise = thread_scratch<float>(stream, thread, narrow + wide + plan.elements());
    float* result = depthwise + narrow;
    float* tile_memory = result + wide;
    const DepthwiseWalk walk = walk_into(call, depthwise, out.height, out.width);
    for_tiles(call, map, plan, image, tile_memory, [&](const Tile& tile) { walk_tile(map, walk, tile, 0); });
    multiply_rows(depthwise, sizes.output_pixels, sizes.inputs, call.bias, sizes.outputs, result);
    if (call.statistics != Statistics::kRunning) {
      run_moments(result, sizes.output_pixels, sizes.outputs, moments + image * image_pieces * 2 * sizes.outputs);
    }
    copy_out(out.data + image * wide, result, wide);
  });
  if (call.statistics == Statistics::kRunning) {
    running_moments(call);
  } else {
    join_moments(call, moments, in.batch, sizes.output_pixels);
  }
}

// Where a backward call's workspace holds what.
struct BackwardWorkspace {
  float* transposed;          // [outputs, inputs]
  float* depthwise_partials;  // [batch, taps, inputs]
  float* pointwise_partials;  // [batch, inputs, outputs]
  float* sums;                // [batch, 2, inputs]: of the input's gradient; times the centred input
  GradientSums* joined;       // [inputs]
  size_t bytes;

  BackwardWorkspace(const Sizes& sizes, int64_t batch, void* memory) {
    joined = static_cast<GradientSums*>(memory);
    transposed = reinterpret_cast<float*>(joined + sizes.inputs);
    depthwise_partials = transposed + sizes.outputs * sizes.inputs;
    pointwise_partials = depthwise_partials + batch * sizes.taps * sizes.inputs;
    sums = pointwise_partials + batch * sizes.inputs * sizes.outputs;
    bytes = static_cast<size_t>(sizes.inputs) * sizeof(GradientSums) +
            static_cast<size_t>(sizes.outputs * sizes.inputs + batch * sizes.taps * sizes.inputs +
                                batch * sizes.inputs * sizes.outputs + batch * 2 * sizes.inputs) *
                sizeof(float);
  }
};

// One thread's buffers for an image's backward.
struct ImageScratch {
  float* output_gradient;     // [output pixels, outputs]
  float* depthwise_gradient;  // [output pixels, inputs]
  float* depthwise;           // [output pixels, inputs]
  float* input_gradient;      // [input pixels, inputs], before the relu
  float* tile;

  ImageScratch(Stream& stream, int thread, const Sizes& sizes, int64_t tile_elements) {
    const int64_t wide = sizes.output_pixels * sizes.outputs, narrow = sizes.output_pixels * sizes.inputs;
    const int64_t input = sizes.input_pixels * sizes.inputs;
    output_gradient = thread_scratch<float>(stream, thread, wide + 2 * narrow + input + tile_elements);
    depthwise_gradient = output_gradient + wide;
    depthwise = depthwise_gradient + narrow;
    input_gradient = depthwise + narrow;
    tile = input_gradient + input;
  }
};

// The gradient of the pointwise output: A * g + B * y + D.
void apply_gradient_map(const KernelCall& call, const Sizes& sizes, int64_t image, float* target) {
  const int64_t channels = sizes.outputs, first = image * sizes.output_pixels * channels;
  const float* map = call.output_gradient_map;
  for_channels(channels, [&](int64_t c, Lanes lanes) {
    const Vec a = load_first(map + c, lanes), b = load_first(map + channels + c, lanes);
    const Vec d = load_first(map + 2 * channels + c, lanes);
    for (int64_t p = 0; p < sizes.output_pixels; ++p) {
      const int64_t at = p * channels + c;
      const Vec g = load_first(call.output_gradient + first + at, lanes);
      store_first(target + at, a * g + b * load_first(call.output.data + first + at, lanes) + d, lanes);
    }
  });
}

void weight_gradients(const KernelCall& call, const Sizes& sizes, const WindowMap& map, const TilePlan& plan,
                      int64_t image, const ImageScratch& scratch, const BackwardWorkspace& workspace) {
  float* depthwise_partial = workspace.depthwise_partials + image * sizes.taps * sizes.inputs;
  float* pointwise_partial = workspace.pointwise_partials + image * sizes.inputs * sizes.outputs;
  fill(depthwise_partial, sizes.taps * sizes.inputs, 0);
  fill(pointwise_partial, sizes.inputs * sizes.outputs, 0);
  const DepthwiseWalk walk = walk_into(call, scratch.depthwise, call.output.height, call.output.width);
  for_tiles(call, map, plan, image, scratch.tile, [&](const Tile& tile) {
    walk_tile(map, walk, tile, 0);
    correlate_tile(map, tile, scratch.depthwise_gradient, walk.kernel_columns, depthwise_partial);
  });
  correlate_rows(scratch.depthwise, sizes.output_pixels, sizes.inputs, scratch.output_gradient, sizes.outputs,
                 pointwise_partial);
}

// Where the relu let the input through, to the target; a normalised input's batch-norm sums on the way.
void mask_input_gradient(const KernelCall& call, const Sizes& sizes, int64_t image, const float* gradient,
                         float* sums) {
  const int64_t channels = sizes.inputs, first = image * sizes.input_pixels * channels;
  const float* x = call.inputs[0].data + first;
  const GradientTarget& target = call.input_gradients[0];
  const float* statistics = call.links[0].statistics;
  for_channels(channels, [&](int64_t c, Lanes lanes) {
    const Vec threshold = statistics == nullptr ? Vec{} : load_first(statistics + c, lanes);
    Vec gradients = {}, products = {};
    for (int64_t begin = 0; begin < sizes.input_pixels; begin += kPiecePixels) {
      Vec piece_gradients = {}, piece_products = {};
      for (int64_t p = begin; p < min(sizes.input_pixels, begin + kPiecePixels); ++p) {
        const int64_t at = p * channels + c;
        const Vec centred = load_first(x + at, lanes) - threshold;
        Vec g = centred > Vec{} ? load_first(gradient + at, lanes) : Vec{};
        piece_gradients += g;
        piece_products += g * centred;
        if (target.mode == GradientMode::kAccumulate) g += load_first(target.data + first + at, lanes);
        store_first(target.data + first + at, g, lanes);
      }
      gradients += piece_gradients;
      products += piece_products;
    }
    store_first(sums + c, gradients, lanes);
    store_first(sums + channels + c, products, lanes);
  });
}

void input_gradient(const KernelCall& call, const Sizes& sizes, int64_t image, const ImageScratch& scratch,
                    const BackwardWorkspace& workspace) {
  const Tensor& in = call.inputs[0];
  const DepthwiseWalk walk = walk_into(call, scratch.input_gradient, in.height, in.width);
  for_backward_maps(call.node->window, in, call.output, [&](const WindowMap& map) {
    if (map.rows.count == 0 || map.columns.count == 0) return;
    const TilePlan plan = plan_tiles(map, sizes.inputs);
    for (int64_t strip = 0; strip < plan.strips; ++strip) {
      walk_tile(map, walk, load_tile(plan, map, scratch.depthwise_gradient, 0, strip, scratch.tile, 0), 0);
    }
  });
  mask_input_gradient(call, sizes, image, scratch.input_gradient, workspace.sums + image * 2 * sizes.inputs);
}

int64_t largest_tile(const KernelCall& call, const WindowMap& map) {
  int64_t elements = plan_tiles(map, call.inputs[0].channels).elements();
  for_backward_maps(call.node->window, call.inputs[0], call.output, [&](const WindowMap& backward) {
    if (backward.rows.count == 0 || backward.columns.count == 0) return;
    elements = max(elements, plan_tiles(backward, call.inputs[0].channels).elements());
  });
  return elements;
}

void write_input_map(const KernelCall& call, const Sizes& sizes, const BackwardWorkspace& workspace) {
  const int64_t channels = sizes.inputs, batch = call.inputs[0].batch;
  for (int64_t c = 0; c < channels; ++c) {
    GradientSums& sum = workspace.joined[c] = {0, 0};
    for (int64_t image = 0; image < batch; ++image) {
      sum.gradient += workspace.sums[image * 2 * channels + c];
      sum.centred_product += workspace.sums[(image * 2 + 1) * channels + c];
    }
  }
  write_gradient_map(workspace.joined, call.links[0].statistics, channels, 1, batch * sizes.input_pixels,
                     call.links[0].gradient_map);
}

void backward(Stream& stream, const KernelCall& call) {
  const Sizes sizes(call);
  const Tensor& in = call.inputs[0];
  const WindowMap map = forward_map(call.node->window, in, call.output);
  const TilePlan plan = plan_tiles(map, in.channels);
  const BackwardWorkspace workspace(sizes, in.batch, call.workspace);
  const bool wants_weights = call.weight_gradient != nullptr;
  const bool wants_input = call.input_gradients[0].mode != GradientMode::kIgnore;
  const int64_t tile_elements = largest_tile(call, map);
  transpose(call.bias, 1, sizes.inputs, sizes.outputs, workspace.transposed);
  parallel(stream, in.batch, [&](int64_t image, int thread) {
    const ImageScratch scratch(stream, thread, sizes, tile_elements);
    apply_gradient_map(call, sizes, image, scratch.output_gradient);
    multiply_rows(scratch.output_gradient, sizes.output_pixels, sizes.outputs, workspace.transposed, sizes.inputs,
                  scratch.depthwise_gradient);
    if (wants_weights) weight_gradients(call, sizes, map, plan, image, scratch, workspace);
    if (wants_input) input_gradient(call, sizes, image, scratch, workspace);
  });
  if (wants_weights) {
    reduce_partials(stream, workspace.depthwise_partials, in.batch, sizes.taps * sizes.inputs, call.weight_gradient);
    reduce_partials(stream, workspace.pointwise_partials, in.batch, sizes.inputs * sizes.outputs, call.bias_gradient);
  }
  if (wants_input && call.links[0].gradient_map != nullptr) write_input_map(call, sizes, workspace);
}

size_t workspace_bytes(const KernelCall& call, bool backward) {
  const Sizes sizes(call);
  const int64_t batch = call.inputs[0].batch;
  if (!backward) {
    const int64_t pieces = batch * divide_up(sizes.output_pixels, kPiecePixels);
    return static_cast<size_t>(pieces * 2 * sizes.outputs) * sizeof(float);
  }
  return BackwardWorkspace(sizes, batch, nullptr).bytes;
}

}  // namespace

const OpKernels separable_kernels = {forward, backward, workspace_bytes};

}  // namespace dartsmith::cpu::DARTSMITH_ISA
