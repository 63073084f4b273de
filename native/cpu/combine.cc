// combine: out = sum over inputs of p_k * y_k, normalised inputs as p_k * (rstd_k * (y_k - mean_k) * scale_k +
// shift_k), in one pass over memory; a pooled input is pooled on the way, and samples are dropped as p_k = 0. Backward:
// one pass gives, for all inputs, the batch-norm gradient sums, the dot products that are dL/dp_k, and the gradients of
// plain inputs.
#include "cpu/dropout.h"
#include "cpu/kernels.h"
#include "cpu/moments.h"
#include "cpu/pool.h"
#include "cpu/pool_around.h"

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

float weight_of(const InputLink& link) {
  return link.mixing == nullptr ? 1 : *link.mixing;
}

bool needs_sums(const InputLink& link) {
  return link.mixing_gradient != nullptr || link.gradient_map != nullptr || link.scale_gradient != nullptr;
}

// One run of the inputs, read one after another.
class InputRun {
 public:
  // `read_first`: what the runs begin with.
  InputRun(const KernelCall& call, const Runs& runs, int64_t run, float* scratch, int threads, const Tensor& read_first)
      : image(runs.image(run)),
        row_begin(runs.row_begin(run)),
        row_end(runs.row_end(run)),
        pixels((row_end - row_begin) * runs.width),
        first((image * runs.height + row_begin) * runs.row_elements()),
        elements(pixels * runs.channels),
        call_(call),
        scratch_(scratch),
        after_(run + threads < read_first.batch * runs.a_image ? Ahead(read_first, first + threads * elements)
                                                               : Ahead()) {}

  // What input k is multiplied by where the sample is dropped, or kept.
  float kept(int k) const { return sample_factor(call_, call_.links[k].dropout, image); }

  // How many inputs from k on with_poolings takes at once: the largest and the average of one tensor, or either.
  int poolings(int k) const {
    if (!pools_around(k)) return 0;
    const int next = k + 1;
    const bool pair = next < call_.input_count && pools_around(next) &&
                      call_.inputs[k].data == call_.inputs[next].data && call_.links[k].pool->takes_max &&
                      !call_.links[next].pool->takes_max && needs_sums(call_.links[k]) == needs_sums(call_.links[next]);
    return pair && kept(k) != 0 && kept(next) != 0 ? 2 : 1;
  }

  // Calls body(channel, lanes, rows) for each block of channels, which calls rows(take); that calls take(pixel, value
  // of input k, value of input k + 1) for every pixel. `count`: what poolings(k) gave.
  template <typename Body>
  void with_poolings(int k, int count, const Body& body) {
    const Tensor& x = call_.inputs[k];
    const PoolAttributes& last = *call_.links[k + count - 1].pool;
    const PooledImage pooled{x.data + image * x.height * x.width * x.channels, x.height, x.width, x.channels,
                             last.count_include_pad};
    const auto pool = [&](auto largest, auto average) {
      constexpr bool kLargest = decltype(largest)::value != 0, kAverage = decltype(average)::value != 0;
      pool_around<kLargest, kAverage>(
          pooled, row_begin, row_end, scratch_, ahead_of(k), [&](int64_t c, Lanes lanes, const auto& rows) {
            body(c, lanes, [&](const auto& take) {
              rows([&](int64_t pixel, Vec most, Vec mean) { take(pixel, kLargest ? most : mean, mean); });
            });
          });
    };
    if (count == 2) return pool(Constant<1>{}, Constant<1>{});
    if (last.takes_max) return pool(Constant<1>{}, Constant<0>{});
    return pool(Constant<0>{}, Constant<1>{});
  }

  // Calls body(elements of input k, what to fetch meanwhile); they are pooled into scratch where the input is a pooling
  // of its tensor.
  template <typename Body>
  void with_elements_of(int k, const Body& body) {
    const Tensor& tensor = call_.inputs[k];
    const Ahead ahead = ahead_of(k);
    if (call_.links[k].pool == nullptr) {
      return with_elements(tensor, first, [&](const auto* from) { body(from, ahead); });
    }
    const float* from = tensor.data + image * tensor.height * tensor.width * tensor.channels;
    Pooling(*call_.links[k].pool, tensor).pool_rows(from, row_begin, row_end, scratch_, scratch_ + elements);
    body(scratch_, ahead);
  }

  const int64_t image, row_begin, row_end;
  const int64_t pixels;
  const int64_t first, elements;  // of the output

  // The next tensor that is read, once.
  Ahead fetch_next() {
    while (fetched_ < call_.input_count && is_read_again(fetched_)) ++fetched_;
    if (fetched_ < call_.input_count) return Ahead(call_.inputs[fetched_++], first);
    const Ahead after = after_;
    after_ = Ahead();
    return after;
  }

 private:
  bool is_read_again(int k) const { return k > 0 && call_.inputs[k].data == call_.inputs[k - 1].data; }

  // What is fetched while input k is read.
  Ahead ahead_of(int k) {
    if (is_read_again(k)) return Ahead();
    fetched_ = static_cast<int>(max(fetched_, k + 1));
    return fetch_next();
  }

  bool pools_around(int k) const {
    return call_.links[k].pool != nullptr && Pooling(*call_.links[k].pool, call_.inputs[k]).is_around();
  }

  const KernelCall& call_;
  float* const scratch_;
  Ahead after_;      // the run that this thread is likely to take next
  int fetched_ = 0;  // inputs before this one
};

// What an input adds to the sum, of a block of channels.
struct Term {
  Vec mean, factor, shift;

  Term(const KernelCall& call, int k, float weight, int64_t c, Lanes lanes) {
    const InputLink& link = call.links[k];
    const bool normalised = link.statistics != nullptr, affine = link.scale != nullptr;
    mean = normalised ? load_first(link.statistics + c, lanes) : Vec{};
    const Vec deviation = normalised ? load_first(link.statistics + call.output.channels + c, lanes) : splat(1);
    const Vec scale = affine ? load_first(link.scale + c, lanes) : splat(1);
    factor = splat(weight) * scale * deviation;
    shift = affine ? splat(weight) * load_first(link.shift + c, lanes) : Vec{};
  }
  Vec operator()(Vec value) const { return factor * (value - mean) + shift; }
};

// Adds input k, `from` [pixels, channels], times `weight` to `sums`.
template <typename Element>
void add_input(const KernelCall& call, int k, float weight, const Element* from, int64_t pixels, float* sums,
               Ahead ahead) {
  const int64_t channels = call.output.channels;
  for_channels(channels, [&](int64_t c, Lanes lanes) {
    const Term term(call, k, weight, c, lanes);
    for (int64_t i = c; i < pixels * channels; i += channels) {
      ahead.fetch(i);
      store_first(sums + i, load_first(sums + i, lanes) + term(load_first(from + i, lanes)), lanes);
    }
  });
}

// Adds `count` poolings from input k on.
void add_poolings(const KernelCall& call, InputRun& run, int k, int count, float* sums) {
  const int last = k + count - 1;
  const float weight = run.kept(k) * weight_of(call.links[k]),
              last_weight = run.kept(last) * weight_of(call.links[last]);
  const int64_t channels = call.output.channels;
  run.with_poolings(k, count, [&](int64_t c, Lanes lanes, const auto& rows) {
    const Term term(call, k, weight, c, lanes), other(call, last, last_weight, c, lanes);
    rows([&](int64_t pixel, Vec value, Vec next) {
      float* at = sums + pixel * channels + c;
      Vec sum = load_first(at, lanes) + term(value);
      if (count > 1) sum += other(next);
      store_first(at, sum, lanes);
    });
  });
}

void forward(Stream& stream, const KernelCall& call) {
  const Runs runs(call.output);
  const int64_t scratch_elements = pooled_elements(call, runs.rows);
  parallel(stream, call.output.batch * runs.a_image, [&](int64_t task, int thread) {
    InputRun run(call, runs, task, thread_scratch<float>(stream, thread, scratch_elements), pool(stream).threads(),
                 call.input_count > 0 ? call.inputs[0] : call.output);
    float* sums = call.output.data + run.first;
    fill(sums, run.elements, 0);
    for (int k = 0; k < call.input_count; ++k) {
      const float kept = run.kept(k);
      if (kept == 0) continue;
      if (const int count = run.poolings(k)) {
        add_poolings(call, run, k, count, sums);
        k += count - 1;
        continue;
      }
      run.with_elements_of(k, [&](const auto* from, Ahead ahead) {
        add_input(call, k, kept * weight_of(call.links[k]), from, run.pixels, sums, ahead);
      });
    }
  });
}

void scale_into(const GradientTarget& target, const float* from, float factor, int64_t begin, int64_t end) {
  if (target.mode == GradientMode::kIgnore) return;
  const Ahead ahead = target.mode == GradientMode::kAccumulate ? Ahead::in(target.data) : Ahead();
  for (int64_t i = begin; i < end; i += kLanes) {
    const Lanes lanes(end - i);
    ahead.fetch(i);
    Vec value = splat(factor) * load_first(from + i, lanes);
    if (target.mode == GradientMode::kAccumulate) value += load_first(target.data + i, lanes);
    store_first(target.data + i, value, lanes);
  }
}

Vec mean_of(const InputLink& link, int64_t c, Lanes lanes) {
  return link.statistics == nullptr ? Vec{} : load_first(link.statistics + c, lanes);
}

// Per channel, the sum over pixels of gradient * (input - mean); mean 0 without statistics.
template <typename Element>
void sum_products(const float* gradient, const Element* from, const InputLink& link, int64_t pixels, int64_t channels,
                  float* sums, Ahead ahead) {
  for_channels(channels, [&](int64_t c, Lanes lanes) {
    const Vec mean = mean_of(link, c, lanes);
    const Vec sum = sum_pixels(pixels, [&](int64_t p) {
      const int64_t at = p * channels + c;
      ahead.fetch(at);
      return load_first(gradient + at, lanes) * (load_first(from + at, lanes) - mean);
    });
    store_first(sums + c, sum, lanes);
  });
}

// The same of `count` poolings from input k on. sums: [count, channels]
void sum_pooled_products(const KernelCall& call, InputRun& run, int k, int count, const float* gradient, float* sums) {
  const int64_t channels = call.output.channels;
  run.with_poolings(k, count, [&](int64_t c, Lanes lanes, const auto& rows) {
    const Vec mean = mean_of(call.links[k], c, lanes), other_mean = mean_of(call.links[k + count - 1], c, lanes);
    Vec sum = {}, other = {};
    rows([&](int64_t pixel, Vec value, Vec next) {
      const Vec g = load_first(gradient + pixel * channels + c, lanes);
      sum += g * (value - mean);
      other += g * (next - other_mean);
    });
    store_first(sums + c, sum, lanes);
    if (count > 1) store_first(sums + channels + c, other, lanes);
  });
}

// Of one run, per channel: the gradient's sum, then for each input the sum of gradient * (input - mean), as if its
// sample were not dropped. sums: [1 + inputs, channels]
void backward_run(const KernelCall& call, InputRun& run, float* sums) {
  const int64_t channels = call.output.channels;
  const float* gradient = call.output_gradient + run.first;
  const Ahead ahead = run.fetch_next();
  for_channels(channels, [&](int64_t c, Lanes lanes) {
    const Vec sum = sum_pixels(run.pixels, [&](int64_t p) {
      ahead.fetch(p * channels + c);
      return load_first(gradient + p * channels + c, lanes);
    });
    store_first(sums + c, sum, lanes);
  });
  for (int k = 0; k < call.input_count; ++k) {
    const InputLink& link = call.links[k];
    const float kept = run.kept(k);
    if (link.statistics == nullptr) {
      scale_into(call.input_gradients[k], call.output_gradient, kept * weight_of(link), run.first,
                 run.first + run.elements);
    }
    if (!needs_sums(link) || kept == 0) continue;
    float* products = sums + (1 + k) * channels;
    if (const int count = run.poolings(k)) {
      sum_pooled_products(call, run, k, count, gradient, products);
      k += count - 1;
      continue;
    }
    run.with_elements_of(k, [&](const auto* from, Ahead ahead) {
      sum_products(gradient, from, link, run.pixels, channels, products, ahead);
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
    Tensor gradient = call.output;
    gradient.data = const_cast<float*>(call.output_gradient);
    InputRun inputs(call, cut, run, thread_scratch<float>(stream, thread, scratch_elements), pool(stream).threads(),
                    gradient);
    backward_run(call, inputs, sums + run * stride);
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
