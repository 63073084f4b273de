#include "cpu/gather.h"

#include <cmath>
#include <cstring>

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

// What happens to one image, drawn from one Philox block: crop row, crop column, mirror and whether anything is cut
// out, cutout centre.
struct Draw {
  int64_t top = 0, left = 0;  // of the crop, in the unpadded image's coordinates
  bool mirror = false;
  bool hole = false;
  int64_t hole_row = 0, hole_column = 0;
};

// `word` as a number below `bound`.
int64_t below(uint32_t word, int64_t bound) {
  return static_cast<int64_t>((uint64_t{word} * bound) >> 32);
}

Draw draw(const GatherCall& call, int64_t sample) {
  Draw draw;
  const GatherSettings& settings = *call.settings;
  if (!settings.random) return draw;
  const PhiloxBlock block = philox(settings.stream, static_cast<uint32_t>(sample));
  draw.top = below(block.word[0], 2 * settings.pad + 1) - settings.pad;
  draw.left = below(block.word[1], 2 * settings.pad + 1) - settings.pad;
  draw.mirror = settings.flip && (block.word[2] >> 31) != 0;
  draw.hole = settings.cutout > 0 && (block.word[2] & (kCertain - 1)) < settings.cutout_chance;
  draw.hole_row = below(block.word[3] & 0xffff0000u, call.height);
  draw.hole_column = below(block.word[3] << 16, call.width);
  return draw;
}

void cut_out(const GatherCall& call, const Draw& draw, float* out) {
  const int64_t side = call.settings->cutout;
  const int64_t first_row = draw.hole_row - side / 2, first_column = draw.hole_column - side / 2;
  const int64_t top = max(0, first_row), bottom = min(call.height, first_row + side);
  const int64_t left = max(0, first_column), right = min(call.width, first_column + side);
  for (int64_t y = top; y < bottom; ++y) {
    for (int64_t i = (y * call.width + left) * call.channels; i < (y * call.width + right) * call.channels; ++i) {
      out[i] = 0;
    }
  }
}

void gather_image(const GatherCall& call, int64_t sample) {
  const Draw d = draw(call, sample);
  const int64_t image = call.height * call.width * call.channels;
  const uint8_t* from = call.images + call.indices[sample] * image;
  float* out = call.output + sample * image;
  for (int64_t y = 0; y < call.height; ++y) {
    const int64_t source_y = y + d.top;
    for (int64_t x = 0; x < call.width; ++x) {
      const int64_t source_x = (d.mirror ? call.width - 1 - x : x) + d.left;
      const bool inside = source_y >= 0 && source_y < call.height && source_x >= 0 && source_x < call.width;
      float* pixel = out + (y * call.width + x) * call.channels;
      const uint8_t* source = from + (source_y * call.width + source_x) * call.channels;
      for (int64_t c = 0; c < call.channels; ++c) pixel[c] = call.table[c * 256 + (inside ? source[c] : 0)];
    }
  }
  if (d.hole) cut_out(call, d, out);
  const int32_t label = call.all_labels[call.indices[sample]];
  call.labels[sample] = label;
  call.labels[call.batch + partner_of(sample, call.batch)] = label;
}

// Two images that are each other's partners; one that is its own stays as it is. The second product is rounded, the sum
// once more: the same bits whatever a compiler makes of a sum of products.
void mix_images(const GatherCall& call, int64_t sample) {
  const int64_t image = call.height * call.width * call.channels;
  const float share = call.settings->share, rest = 1 - share;
  float* a = call.output + sample * image;
  float* b = call.output + partner_of(sample, call.batch) * image;
  for (int64_t i = 0; i < image; ++i) {
    const float own = a[i], other = b[i];
    a[i] = std::fma(share, own, rest * other);
    b[i] = std::fma(share, other, rest * own);
  }
}

}  // namespace

void gather(Stream& stream, const GatherCall& call) {
  parallel(stream, call.batch, [&](int64_t sample, int) { gather_image(call, sample); });
  if (call.settings->share == 1) return;
  parallel(stream, call.batch / 2, [&](int64_t sample, int) { mix_images(call, sample); });
}

}  // namespace dartsmith::cpu::DARTSMITH_ISA
