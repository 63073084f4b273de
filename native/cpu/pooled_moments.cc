// pooledMoments: the statistics of lazy batch-norms of one pooling of the input, and the gradient that flows through it
// into the input. The pooling is computed strip by strip where it is needed and never stored; the members of a group
// share it.
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

// All members measure the same tensor: its pieces are measured once, each member moves its own running statistics.
void forward_group(Stream& stream, const KernelCall* calls, int count) {
  const Tensor& x = calls[0].inputs[0];
  const Pooling pooling(attributes_of<PooledMomentsAttributes>(calls[0]).pool, x);
  const int64_t rows = strip_rows(x), strips = strips_of(x), strip_elements = rows * x.width * x.channels;
  auto* moments = static_cast<float*>(calls[0].workspace);  // [batch, strips, 2, channels]
  if (calls[0].norm->statistics != Statistics::kRunning) {
    parallel(stream, x.batch * strips, [&](int64_t task, int thread) {
      float* strip = thread_scratch<float>(stream, thread, strip_elements + pooling.scratch_elements());
      const int64_t begin = task % strips * rows, end = min(x.height, begin + rows);
      pooling.pool_rows(x.data + task / strips * image_elements(x), begin, end, strip, strip + strip_elements);
      piece_moments(strip, (end - begin) * x.width, x.channels, moments + task * 2 * x.channels);
    });
  }
  for (int m = 0; m < count; ++m) finish_moments(calls[m], moments, {x.batch, x.height * x.width, rows * x.width});
}

// What a member's backward reads of one image beside the input.
Ahead gradients_ahead(const KernelCall& call, int64_t image) {
  return Ahead(call.output_gradient + image * image_elements(call.inputs[0]));
}

// The pooling's gradient of one image, sum over members of A * g + B * y + D, where `gradient` holds y before. `target`
// is read next, `later` after that.
void sum_gradients(const KernelCall* calls, int count, int64_t image, float* gradient, Ahead target, Ahead later) {
  const Tensor& x = calls[0].inputs[0];
  const int64_t channels = x.channels, elements = image_elements(x);
  for_channels(channels, [&](int64_t c, Lanes lanes) {
    Vec slope = {}, shift = {};
    for (int m = 0; m < count; ++m) {
      slope += load_first(calls[m].output_gradient_map + channels + c, lanes);
      shift += load_first(calls[m].output_gradient_map + 2 * channels + c, lanes);
    }
    for (int64_t at = c; at < elements; at += channels) {
      later.fetch(at);
      store_first(gradient + at, slope * load_first(gradient + at, lanes) + shift, lanes);
    }
    for (int m = 0; m < count; ++m) {
      const float kept = sample_factor(calls[m], calls[m].output_dropout, image);
      const Vec factor = splat(kept) * load_first(calls[m].output_gradient_map + c, lanes);
      const float* from = calls[m].output_gradient + image * elements;
      const Ahead ahead = m + 1 < count ? gradients_ahead(calls[m + 1], image) : target;
      for (int64_t at = c; at < elements; at += channels) {
        ahead.fetch(at);
        store_first(gradient + at, load_first(gradient + at, lanes) + factor * load_first(from + at, lanes), lanes);
      }
    }
  });
}

void backward_group(Stream& stream, const KernelCall* calls, int count) {
  const Tensor& x = calls[0].inputs[0];
  const GradientTarget& target = calls[0].input_gradients[0];
  if (target.mode == GradientMode::kIgnore) return;
  const Pooling pooling(attributes_of<PooledMomentsAttributes>(calls[0]).pool, x);
  const int64_t elements = image_elements(x);
  const int64_t scratch_elements = max(pooling.scratch_elements(), pooling.unpool_elements());
  const int threads = pool(stream).threads();
  parallel(stream, x.batch, [&](int64_t image, int thread) {
    float* gradient = thread_scratch<float>(stream, thread, elements + scratch_elements);
    float* scratch = gradient + elements;
    const float* from = x.data + image * elements;
    float* to = target.data + image * elements;
    pooling.pool_rows(from, 0, x.height, gradient, scratch, gradients_ahead(calls[0], image));
    sum_gradients(calls, count, image, gradient, target.mode == GradientMode::kAccumulate ? Ahead(to) : Ahead(),
                  image + threads < x.batch ? Ahead(from + threads * elements) : Ahead());
    pooling.unpool(from, gradient, to, target.mode, scratch);
  });
}

size_t workspace_bytes(const KernelCall& call, bool backward) {
  const Tensor& x = call.inputs[0];
  return backward ? 0 : static_cast<size_t>(x.batch * strips_of(x) * 2 * x.channels) * sizeof(float);
}

}  // namespace

const OpKernels pooled_moments_kernels = {
    .workspace_bytes = workspace_bytes, .forward_group = forward_group, .backward_group = backward_group};

}  // namespace dartsmith::cpu::DARTSMITH_ISA
