#include "cuda/gather.h"
#include "cuda/launch.h"

namespace dartsmith::cuda {
namespace {

// `word` as a number below `bound`.
__device__ int64_t below(uint32_t word, int64_t bound) {
  return static_cast<int64_t>((static_cast<uint64_t>(word) * static_cast<uint64_t>(bound)) >> 32);
}

// Where a pixel of an augmented image comes from: its first channel within the dataset, below 0 outside the image.
struct PixelSource {
  int64_t at = -1;
  bool hole = false;

  __device__ PixelSource(const GatherCall& g, const GatherSettings& settings, Index sample, Index y, Index x) {
    int64_t source_y = y, source_x = x;
    if (settings.random != 0) {
      const PhiloxBlock block = philox(settings.stream, static_cast<uint32_t>(sample));
      const bool mirror = settings.flip != 0 && (block.word[2] >> 31) != 0;
      source_y = y + below(block.word[0], 2 * int64_t{settings.pad} + 1) - settings.pad;
      source_x = (mirror ? g.width - 1 - x : x) + below(block.word[1], 2 * int64_t{settings.pad} + 1) - settings.pad;
      const int64_t top = below(block.word[3] & 0xffff0000u, g.height) - settings.cutout / 2;
      const int64_t left = below(block.word[3] << 16, g.width) - settings.cutout / 2;
      hole = (block.word[2] & (kCertain - 1)) < settings.cutout_chance && y >= top && y < top + settings.cutout &&
             x >= left && x < left + settings.cutout;
    }
    if (source_y < 0 || source_y >= g.height || source_x < 0 || source_x >= g.width) return;
    at = ((g.indices[sample] * g.height + source_y) * g.width + source_x) * g.channels;
  }
  __device__ float value(const GatherCall& g, int64_t channel) const {
    const unsigned byte = at < 0 ? 0 : g.images[at + channel];
    return hole ? 0.0f : g.table[channel * 256 + byte];
  }
};

// One thread a pixel; each draws the augmentation of its image, and of a partner, anew, which costs less than a second
// kernel.
__global__ void __launch_bounds__(kThreads) gather_kernel(GatherCall g) {
  begin_kernel();
  const GatherSettings settings = *g.settings;
  const Index width = static_cast<Index>(g.width), area = static_cast<Index>(g.height) * width;
  const float rest = 1 - settings.share;
  for_grid(g.batch * area, [&](Index item) {
    const Index sample = item / area, y = item % area / width, x = item % width;
    const Index partner = static_cast<Index>(partner_of(sample, g.batch));
    const PixelSource own(g, settings, sample, y, x);
    if (settings.share == 1 || partner == sample) {
      for (int64_t c = 0; c < g.channels; ++c) g.output[item * g.channels + c] = own.value(g, c);
    } else {
      const PixelSource other(g, settings, partner, y, x);
      for (int64_t c = 0; c < g.channels; ++c) {
        g.output[item * g.channels + c] = fmaf(settings.share, own.value(g, c), rest * other.value(g, c));
      }
    }
    if (item % area != 0) return;
    g.labels[sample] = g.all_labels[g.indices[sample]];
    g.labels[g.batch + sample] = g.all_labels[g.indices[partner]];
  });
}

}  // namespace

void gather(Stream& stream, const GatherCall& call) {
  launch(CudaStream::of(stream), gather_kernel, a_thread_each(call.batch * call.height * call.width), call);
}

}  // namespace dartsmith::cuda
