// Which elements a dropout node drops: the same on every backend, forward and backward.
#pragma once
#include "engine/kernel.h"

namespace dartsmith {

// Element i of a batch (or sample i, where whole samples are dropped) takes word i % 4 of block i / 4 of the node's own
// stream, and is dropped where that is below rate * 2^32. What stays is divided by 1 - rate.
struct Dropping {
  RandomStream stream;
  uint64_t threshold = 0;
  float scale = 1;

  // `number` tells the dropout nodes of a graph apart.
  DARTSMITH_ANY_DEVICE Dropping(const DropoutSettings& settings, float rate, bool whole_samples, uint32_t number)
      : stream(settings.stream) {
    stream.purpose += number << 8;
    if (!settings.active || !settings.drops) return;
    const double effective = whole_samples ? static_cast<double>(rate) * settings.path_factor : rate;
    threshold = static_cast<uint64_t>(effective * 4294967296.0);
    scale = static_cast<float>(1 / (1 - effective));
  }
  DARTSMITH_ANY_DEVICE uint32_t word(const PhiloxBlock& block, uint32_t index) const {
    const uint32_t low = index % 2 == 0 ? block.word[0] : block.word[1];
    const uint32_t high = index % 2 == 0 ? block.word[2] : block.word[3];
    return index % 4 < 2 ? low : high;
  }
  DARTSMITH_ANY_DEVICE uint32_t draw(int64_t index) const {
    return word(philox(stream, static_cast<uint32_t>(index / 4)), static_cast<uint32_t>(index % 4));
  }
  DARTSMITH_ANY_DEVICE float apply(float value, uint32_t drawn) const {
    return drawn < threshold ? 0.0f : value * scale;
  }
  // 0 where a whole sample is dropped, else what its values are multiplied by.
  DARTSMITH_ANY_DEVICE float factor(int64_t sample) const { return apply(1, draw(sample)); }
};

}  // namespace dartsmith
