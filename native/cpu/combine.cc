// combine: out = sum over inputs of p_k * y_k, normalised inputs as p_k * (rstd_k * (y_k - mean_k) * scale_k +
// shift_k), in one pass over memory; a pooled input is pooled on the way, and samples are dropped as p_k = 0. Backward:
// one pass gives, for all inputs, the batch-norm gradient sums, the dot products that are dL/dp_k, and the gradients of
// plain inputs.
#include "cpu/dropout.h"
#include "cpu/kernels.h"
#include "cpu/moments.h"
#include "cpu/pool.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

// Elements of the output that a task holds in the first-level cache while all inputs go by, each in one stretch long
// enough for the hardware prefetcher to follow.
inline constexpr int64_t kRunElements = 16384;

// Each image cut into runs of whole rows.
struct Runs {
  int64_t height, width, channels;
  int64_t rows;     // a run
  int64_t a_image;  // runs

  explicit Runs(const Tensor& output)
      : height(output.height),
        width(output.width),
        channels(output.channels),
        rows(min(height, max(1, kRunElements / (width * channels)))),
        a_image(divide_up(height, rows)) {}

  int64_t row_elements() const { return width * channels; }
  int64_t image(int64_t run) const { return run / a_image; }
  int64_t row_begin(int64_t run) const { return run % a_image * rows; }
  int64_t row_end(int64_t run) const { return min(height, row_begin(run) + rows); }
};

// Scratch of one thread for `rows` of a pooled input.
int64_t pooled_elements(const KernelCall& call, int64_t rows) {
  int64_t elements = 0;
  for (int k = 0; k < call.input_count; ++k) {
    if (call.links[k].pool == nullptr) continue;
    elements = max(elements, Pooling(*call.links[k].pool, call.inputs[k]).scratch_elements());
  }
  return elements == 0 ? 0 : elements + rows * call.output.width * call.output.channels;
}

// Adds the rows of inputs from `ahead` on that are read as they are, as many as there is room for, once each.
void fetch_inputs(const KernelCall& call, int& ahead, int64_t first, int64_t elements, Fetches& fetches) {
  for (; ahead < call.input_count && !fetches.full(); ++ahead) {
    if (ahead > 0 && call.inputs[ahead].data == call.inputs[ahead - 1].data) continue;
    with_elements(call.inputs[ahead], first, [&](const auto* from) { fetches.add(from, elements); });
  }
}

// Calls body(rows [row_begin, row_end) of input k), which are pooled into `scratch` where the input is a pooling of its
// tensor.
template <typename Body>
void with_rows(const KernelCall& call, int k, int64_t image, int64_t row_begin, int64_t row_end, float* scratch,
               Fetches& fetches, int& ahead, const Body& body) {
  const Tensor& tensor = call.inputs[k];
  const int64_t row = tensor.width * tensor.channels, first = image * tensor.height * row;
  if (call.links[k].pool == nullptr) return with_elements(tensor, first + row_begin * row, body);
  float* joined = scratch + (row_end - row_begin) * row;
  ahead = static_cast<int>(max(ahead, k + 1));
  fetch_inputs(call, ahead, first + row_begin * row, (row_end - row_begin) * row, fetches);
  Pooling(*call.links[k].pool, tensor).pool_rows(tensor.data + first, row_begin, row_end, scratch, joined, &fetches);
  body(scratch);
}

float weight_of(const InputLink& link) {
  return link.mixing == nullptr ? 1 : *link.mixing;
}

// Adds input k, `from` [pixels, channels], times `weight` to `sums`.
template <typename Element>
void add_input(const KernelCall& call, int k, float weight, const Element* from, int64_t pixels, float* sums) {
  const int64_t channels = call.output.channels;
  const InputLink& link = call.links[k];
  for_channels(channels, [&](int64_t c, Lanes lanes) {
    const bool normalised = link.statistics != nullptr;
    const Vec mean = normalised ? load_first(link.statistics + c, lanes) : Vec{};
    const Vec deviation = normalised ? load_first(link.statistics + channels + c, lanes) : splat(1);
    const bool affine = link.scale != nullptr;
    const Vec scale = affine ? load_first(link.scale + c, lanes) : splat(1);
    const Vec factor = splat(weight) * scale * deviation;
    const Vec shift = affine ? splat(weight) * load_first(link.shift + c, lanes) : Vec{};
    for (int64_t i = c; i < pixels * channels; i += channels) {
      const Vec term = factor * (load_first(from + i, lanes) - mean) + shift;
      store_first(sums + i, load_first(sums + i, lanes) + term, lanes);
    }
  });
}

void forward(Stream& stream, const KernelCall& call) {
  const Runs runs(call.output);
  const int64_t row = runs.row_elements(), scratch_elements = pooled_elements(call, runs.rows);
  parallel(stream, call.output.batch * runs.a_image, [&](int64_t run, int thread) {
    float* scratch = thread_scratch<float>(stream, thread, scratch_elements);
    const int64_t image = runs.image(run), begin = runs.row_begin(run), end = runs.row_end(run);
    float* sums = call.output.data + (image * runs.height + begin) * row;
    fill(sums, (end - begin) * row, 0);
    Fetches fetches;
    int ahead = 0;
    for (int k = 0; k < call.input_count; ++k) {
      const float kept = sample_factor(call, call.links[k].dropout, image);
      if (kept == 0) continue;
      with_rows(call, k, image, begin, end, scratch, fetches, ahead, [&](const auto* from) {
        add_input(call, k, kept * weight_of(call.links[k]), from, (end - begin) * runs.width, sums);
      });
    }
  });
}

bool needs_sums(const InputLink& link) {
  return link.mixing_gradient != nullptr || link.gradient_map != nullptr || link.scale_gradient != nullptr;
}

void scale_into(const GradientTarget& target, const float* from, float factor, int64_t begin, int64_t end) {
  if (target.mode == GradientMode::kIgnore) return;
  for (int64_t i = begin; i < end; i += kLanes) {
    const Lanes lanes(end - i);
    Vec value = splat(factor) * load_first(from + i, lanes);
    if (target.mode == GradientMode::kAccumulate) value += load_first(target.data + i, lanes);
    store_first(target.data + i, value, lanes);
  }
}

// Per channel, the sum over pixels of gradient * (input - mean); mean 0 without statistics.
template <typename Element>
void sum_products(const float* gradient, const Element* from, const float* statistics, int64_t pixels, int64_t channels,
                  float* sums) {
  for_channels(channels, [&](int64_t c, Lanes lanes) {
    const Vec mean = statistics == nullptr ? Vec{} : load_first(statistics + c, lanes);
    const Vec sum = sum_pixels(pixels, [&](int64_t p) {
      const int64_t at = p * channels + c;
      return load_first(gradient + at, lanes) * (load_first(from + at, lanes) - mean);
    });
    store_first(sums + c, sum, lanes);
  });
}

// Of one run, per channel: the gradient's sum, then for each input the sum of gradient * (input - mean), as if its
// sample were not dropped. sums: [1 + inputs, channels]
void backward_run(const KernelCall& call, const Runs& runs, int64_t run, float* scratch, float* sums) {
  const int64_t channels = runs.channels, row = runs.row_elements(), image = runs.image(run);
  const int64_t begin = runs.row_begin(run), end = runs.row_end(run), pixels = (end - begin) * runs.width;
  const int64_t first = (image * runs.height + begin) * row;
  const float* gradient = call.output_gradient + first;
  for_channels(channels, [&](int64_t c, Lanes lanes) {
    const Vec sum = sum_pixels(pixels, [&](int64_t p) { return load_first(gradient + p * channels + c, lanes); });
    store_first(sums + c, sum, lanes);
  });
  Fetches fetches;
  int ahead = 0;
  for (int k = 0; k < call.input_count; ++k) {
    const float* statistics = call.links[k].statistics;
    const float kept = sample_factor(call, call.links[k].dropout, image);
    if (statistics == nullptr) {
      scale_into(call.input_gradients[k], call.output_gradient, kept * weight_of(call.links[k]), first,
                 first + pixels * channels);
    }
    if (!needs_sums(call.links[k]) || kept == 0) continue;
    with_rows(call, k, image, begin, end, scratch, fetches, ahead, [&](const auto* from) {
      sum_products(gradient, from, statistics, pixels, channels, sums + (1 + k) * channels);
    });
  }
}

// Joins the runs' sums of input k: writes its gradient map and the gradients of its scale and shift, returns its
// weight's gradient.
double finish_input(const KernelCall& call, int k, const float* sums, const Runs& cut, GradientSums* joined) {
  const InputLink& link = call.links[k];
  if (!needs_sums(link)) return 0;
  const int64_t channels = call.output.channels, stride = (1 + call.input_count) * channels;
  for (int64_t c = 0; c < channels; ++c) joined[c] = {0, 0};
  for (int64_t run = 0; run < call.output.batch * cut.a_image; ++run) {
    const double kept = sample_factor(call, link.dropout, cut.image(run));
    if (kept == 0) continue;
    const float *gradients = sums + run * stride, *products = gradients + (1 + k) * channels;
    for (int64_t c = 0; c < channels; ++c) {
      joined[c].gradient += kept * gradients[c];
      joined[c].centred_product += kept * products[c];
    }
  }
  double weight_gradient = 0;
  for (int64_t c = 0; c < channels; ++c) {
    const double deviation = link.statistics == nullptr ? 1 : link.statistics[channels + c];
    const double product = deviation * joined[c].centred_product;
    const bool affine = link.scale != nullptr;
    weight_gradient += affine ? link.scale[c] * product + link.shift[c] * joined[c].gradient : product;
    if (link.scale_gradient == nullptr) continue;
    link.scale_gradient[c] = static_cast<float>(weight_of(link) * product);
    link.shift_gradient[c] = static_cast<float>(weight_of(link) * joined[c].gradient);
  }
  if (link.gradient_map != nullptr) {
    write_gradient_map(joined, link, channels, weight_of(link), statistics_pixels(call, pixels_of(call.output)));
  }
  return weight_gradient;
}

void backward(Stream& stream, const KernelCall& call) {
  const Runs cut(call.output);
  const int64_t channels = cut.channels, runs = call.output.batch * cut.a_image;
  const int64_t stride = (1 + call.input_count) * channels;
  auto* joined = static_cast<GradientSums*>(call.workspace);                        // [inputs, channels]
  auto* weights = reinterpret_cast<double*>(joined + call.input_count * channels);  // [inputs]
  auto* sums = reinterpret_cast<float*>(weights + call.input_count);
  const int64_t scratch_elements = pooled_elements(call, cut.rows);
  parallel(stream, runs, [&](int64_t run, int thread) {
    backward_run(call, cut, run, thread_scratch<float>(stream, thread, scratch_elements), sums + run * stride);
  });
  parallel(stream, call.input_count, [&](int64_t k, int) {
    weights[k] = finish_input(call, static_cast<int>(k), sums, cut, joined + k * channels);
  });
  // Inputs may share a weight: one after another.
  for (int k = 0; k < call.input_count; ++k) {
    if (call.links[k].mixing_gradient != nullptr) *call.links[k].mixing_gradient += weights[k];
  }
}

size_t workspace_bytes(const KernelCall& call, bool backward) {
  if (!backward) return 0;
  const int64_t channels = call.output.channels;
  const int64_t runs = call.output.batch * Runs(call.output).a_image;
  return static_cast<size_t>(call.input_count) * (channels * sizeof(GradientSums) + sizeof(double)) +
         static_cast<size_t>(runs * (1 + call.input_count) * channels) * sizeof(float);
}

}  // namespace

const OpKernels combine_kernels = {
    .forward = forward, .backward = backward, .workspace_bytes = workspace_bytes, .drops_inputs = true};

}  // namespace dartsmith::cpu::DARTSMITH_ISA
