// pooledMoments: the statistics of lazy batch-norms of poolings of the input, and the gradient that flows through them
// into the input. A pooling is computed strip by strip where it is needed and never stored; the members of a group that
// pool alike share it, and two poolings one pass over the input and over the gradients.
#include "cpu/dropout.h"
#include "cpu/kernels.h"
#include "cpu/moments.h"
#include "cpu/pool.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

int64_t strip_rows(const Tensor& input) {
  return min(input.height, max(1, kPiecePixels / input.width));
}

int64_t strips_of(const Tensor& input) {
  return divide_up(input.height, strip_rows(input));
}

int64_t image_elements(const Tensor& input) {
  return input.height * input.width * input.channels;
}

const PoolAttributes& pool_of(const KernelCall& call) {
  return attributes_of<PooledMomentsAttributes>(call).pool;
}

// Members of a group that pool alike, one after another.
struct Alike {
  const KernelCall* calls;
  int count = 0;

  // As many of `most` calls as pool like the first.
  Alike(const KernelCall* calls, int most) : calls(calls) {
    while (count < most && pool_of(calls[count]) == pool_of(calls[0])) ++count;
  }
  const Tensor& input() const { return calls[0].inputs[0]; }
};

// Those that come after them.
Alike after(const Alike& alike, int most) {
  return Alike(alike.calls + alike.count, most - alike.count);
}

// One pooling of an input, or two that go over it together.
struct Poolings {
  Alike members[2];  // none of a second pooling where there is one only
  int count;
  Pooling pooling[2];  // the second is the first then

  // Of the members of a group, those that come first.
  Poolings(const KernelCall* calls, int most)
      : members{Alike(calls, most), after(Alike(calls, most), most)},
        count(members[1].count > 0 ? 2 : 1),
        pooling{Pooling(pool_of(calls[0]), calls[0].inputs[0]),
                Pooling(pool_of(members[count - 1].calls[0]), calls[0].inputs[0])} {}

  const Tensor& input() const { return members[0].input(); }
  int64_t scratch_elements() const { return max(pooling[0].scratch_elements(), pooling[1].scratch_elements()); }
  int64_t unpool_elements() const { return max(pooling[0].unpool_elements(), pooling[1].unpool_elements()); }

  // Rows of an image, pooled to `one`, and to `other` where there are two poolings.
  void pool_rows(const float* image, int64_t begin, int64_t end, float* one, float* other, float* scratch,
                 Ahead ahead = {}) const {
    const auto& [first, second] = pooling;
    if (count == 2 && Pooling::pair(first, second)) {
      return Pooling::pool_rows(first, second, image, begin, end, one, other, scratch, ahead);
    }
    if (count == 2 && Pooling::pair(second, first)) {
      return Pooling::pool_rows(second, first, image, begin, end, other, one, scratch, ahead);
    }
    first.pool_rows(image, begin, end, one, scratch, ahead);
    if (count == 2) second.pool_rows(image, begin, end, other, scratch);
  }
};

// Calls body(poolings) with a group's members, two poolings at a time.
template <typename Body>
void for_poolings(const KernelCall* calls, int count, const Body& body) {
  for (int at = 0; at < count;) {
    const Poolings poolings(calls + at, count - at);
    body(poolings);
    for (const Alike& alike : poolings.members) at += alike.count;
  }
}

// The pieces of a pooling are measured once; each member moves its own running statistics.
void measure(Stream& stream, const Poolings& poolings) {
  const Tensor& x = poolings.input();
  const int64_t rows = strip_rows(x), strips = strips_of(x), strip_elements = rows * x.width * x.channels;
  // [batch, strips, 2, channels]
  const auto moments_of = [&](int p) { return static_cast<float*>(poolings.members[p].calls[0].workspace); };
  if (poolings.members[0].calls[0].norm->statistics != Statistics::kRunning) {
    const int64_t pooled = poolings.count * strip_elements;
    parallel(stream, x.batch * strips, [&](int64_t task, int thread) {
      float* strip = thread_scratch<float>(stream, thread, pooled + poolings.scratch_elements());
      const int64_t begin = task % strips * rows, end = min(x.height, begin + rows);
      poolings.pool_rows(x.data + task / strips * image_elements(x), begin, end, strip, strip + strip_elements,
                         strip + pooled);
      for (int p = 0; p < poolings.count; ++p) {
        piece_moments(strip + p * strip_elements, (end - begin) * x.width, x.channels,
                      moments_of(p) + task * 2 * x.channels);
      }
    });
  }
  for (int p = 0; p < poolings.count; ++p) {
    const Alike& alike = poolings.members[p];
    for (int m = 0; m < alike.count; ++m) {
      finish_moments(alike.calls[m], moments_of(p), {x.batch, x.height * x.width, rows * x.width});
    }
  }
}

void forward_group(Stream& stream, const KernelCall* calls, int count) {
  for_poolings(calls, count, [&](const Poolings& poolings) { measure(stream, poolings); });
}

// A gradient and the members whose it is, one of either pooling at most: those of an edge have one gradient.
struct SharedGradient {
  const KernelCall* one = nullptr;
  const KernelCall* other = nullptr;
  const float* of(int64_t first) const { return (one != nullptr ? one : other)->output_gradient + first; }
};

// The member of the other pooling that is read with member m: of those with its gradient the one in the same place.
const KernelCall* partner_of(const Alike& alike, int m, const Alike& others) {
  const auto has_gradient = [&](const KernelCall& call) {
    return call.output_gradient == alike.calls[m].output_gradient;
  };
  int before = 0;
  for (int same = 0; same < m; ++same) before += has_gradient(alike.calls[same]) ? 1 : 0;
  for (int other = 0; other < others.count; ++other) {
    if (has_gradient(others.calls[other]) && before-- == 0) return others.calls + other;
  }
  return nullptr;
}

// Calls body(gradient, the next one) for every gradient of the members; a next one of nobody for the last.
template <typename Body>
void for_gradients(const Poolings& poolings, const Body& body) {
  const auto& [first, second] = poolings.members;
  SharedGradient gradient;
  const auto pass = [&](const SharedGradient& next) {
    if (gradient.one != nullptr || gradient.other != nullptr) body(gradient, next);
    gradient = next;
  };
  for (int m = 0; m < first.count; ++m) pass({first.calls + m, partner_of(first, m, second)});
  for (int m = 0; m < second.count; ++m) {
    if (partner_of(second, m, first) == nullptr) pass({nullptr, second.calls + m});
  }
  pass({});
}

// B * y + D of one image's pooling, summed over its members. `later` is read some time.
void apply_slopes(const Alike& alike, int64_t c, Lanes lanes, float* y, int64_t elements, Ahead later) {
  const int64_t channels = alike.input().channels;
  Vec slope = {}, shift = {};
  for (int m = 0; m < alike.count; ++m) {
    slope += load_first(alike.calls[m].output_gradient_map + channels + c, lanes);
    shift += load_first(alike.calls[m].output_gradient_map + 2 * channels + c, lanes);
  }
  for (int64_t at = c; at < elements; at += channels) {
    later.fetch(at);
    store_first(y + at, slope * load_first(y + at, lanes) + shift, lanes);
  }
}

// A of a member, for one image.
Vec factor_of(const KernelCall& call, int64_t image, int64_t c, Lanes lanes) {
  return splat(sample_factor(call, call.output_dropout, image)) * load_first(call.output_gradient_map + c, lanes);
}

// to += factor * what is added to it, of a block of channels.
struct ScaledSum {
  float* to;
  Vec factor;
  void add(int64_t at, Vec value, Lanes lanes) const {
    store_first(to + at, load_first(to + at, lanes) + factor * value, lanes);
  }
};

// Adds a gradient of one image to the sums of the poolings whose it is.
template <typename... Sums>
void add_gradient(const float* from, int64_t channels, int64_t c, Lanes lanes, int64_t elements, Ahead ahead,
                  const Sums&... sums) {
  for (int64_t at = c; at < elements; at += channels) {
    ahead.fetch(at);
    const Vec value = load_first(from + at, lanes);
    (sums.add(at, value, lanes), ...);
  }
}

// The gradients of an image's poolings, sums over members of A * g + B * y + D, where `one` and `other` hold y before.
// `target` is read next, `later` after that.
void sum_gradients(const Poolings& poolings, int64_t image, float* one, float* other, Ahead target, Ahead later) {
  const Tensor& x = poolings.input();
  const int64_t channels = x.channels, elements = image_elements(x), first = image * elements;
  for_channels(channels, [&](int64_t c, Lanes lanes) {
    apply_slopes(poolings.members[0], c, lanes, one, elements, later);
    if (poolings.count == 2) apply_slopes(poolings.members[1], c, lanes, other, elements, Ahead());
    for_gradients(poolings, [&](const SharedGradient& gradient, const SharedGradient& next) {
      const float* from = gradient.of(first);
      const bool last = next.one == nullptr && next.other == nullptr;
      const Ahead ahead = last ? target : Ahead(next.of(first));
      const auto add = [&](const auto&... sums) { add_gradient(from, channels, c, lanes, elements, ahead, sums...); };
      const auto sum = [&](float* to, const KernelCall& call) {
        return ScaledSum{to, factor_of(call, image, c, lanes)};
      };
      if (gradient.other == nullptr) return add(sum(one, *gradient.one));
      if (gradient.one == nullptr) return add(sum(other, *gradient.other));
      add(sum(one, *gradient.one), sum(other, *gradient.other));
    });
  });
}

void backward(Stream& stream, const Poolings& poolings, const GradientTarget& target, GradientMode mode) {
  const Tensor& x = poolings.input();
  const int64_t elements = image_elements(x);
  const int64_t scratch_elements = max(poolings.scratch_elements(), poolings.unpool_elements());
  const int threads = pool(stream).threads();
  parallel(stream, x.batch, [&](int64_t image, int thread) {
    float* one = thread_scratch<float>(stream, thread, poolings.count * elements + scratch_elements);
    float *other = one + elements, *scratch = one + poolings.count * elements;
    const float* from = x.data + image * elements;
    float* to = target.data + image * elements;
    const Ahead gradients(poolings.members[0].calls[0].output_gradient + image * elements);
    poolings.pool_rows(from, 0, x.height, one, other, scratch, gradients);
    sum_gradients(poolings, image, one, other, mode == GradientMode::kAccumulate ? Ahead(to) : Ahead(),
                  image + threads < x.batch ? Ahead(from + threads * elements) : Ahead());
    poolings.pooling[0].unpool(from, one, to, mode, scratch);
    if (poolings.count == 2) poolings.pooling[1].unpool(from, other, to, GradientMode::kAccumulate, scratch);
  });
}

void backward_group(Stream& stream, const KernelCall* calls, int count) {
  const GradientTarget& target = calls[0].input_gradients[0];
  GradientMode mode = target.mode;
  if (mode == GradientMode::kIgnore) return;
  for_poolings(calls, count, [&](const Poolings& poolings) {
    backward(stream, poolings, target, mode);
    mode = GradientMode::kAccumulate;
  });
}

size_t workspace_bytes(const KernelCall& call, bool backward) {
  const Tensor& x = call.inputs[0];
  return backward ? 0 : static_cast<size_t>(x.batch * strips_of(x) * 2 * x.channels) * sizeof(float);
}

}  // namespace

const OpKernels pooled_moments_kernels = {.workspace_bytes = workspace_bytes,
                                          .groups_poolings = true,
                                          .forward_group = forward_group,
                                          .backward_group = backward_group};

}  // namespace dartsmith::cpu::DARTSMITH_ISA
