// What a noise node adds: the same on every backend.
#pragma once
#include <cmath>

#include "engine/kernel.h"

namespace dartsmith {

// Element i of a batch takes its number from the node's own stream: of normal numbers one of the two that the
// Box-Muller transform gives of block i / 2 (src/random/philox.ts), of integers word i % 4 of block i / 4.
struct Noise {
  RandomStream stream;
  float scale = 0;
  bool integers = false;

  DARTSMITH_ANY_DEVICE Noise(const DropoutSettings& settings, const NoiseAttributes& attributes)
      : stream(settings.stream), integers(attributes.integers) {
    stream.purpose += static_cast<uint32_t>(attributes.number) << 8;
    if (settings.active) scale = attributes.always ? 1 : settings.noise_scale;
  }

  DARTSMITH_ANY_DEVICE float add(float value, int64_t index) const {
    if (scale == 0) return value;
    return value + scale * static_cast<float>(integers ? integer(index) : normal(index));
  }

 private:
  static constexpr double kWords = 4294967296.0;
  static constexpr double kTwoPi = 6.283185307179586476925286766559;

  DARTSMITH_ANY_DEVICE double normal(int64_t index) const {
    const PhiloxBlock block = philox(stream, static_cast<uint32_t>(index / 2));
    const double radius = sqrt(-2 * log((block.word[0] + 1.0) / kWords));
    const double angle = kTwoPi * (block.word[1] / kWords);
    return radius * (index % 2 == 0 ? cos(angle) : sin(angle));
  }
  DARTSMITH_ANY_DEVICE double integer(int64_t index) const {
    const PhiloxBlock block = philox(stream, static_cast<uint32_t>(index / 4));
    const int64_t place = index % 4;
    const uint32_t low = place % 2 == 0 ? block.word[0] : block.word[1];
    const uint32_t high = place % 2 == 0 ? block.word[2] : block.word[3];
    const uint64_t sixfold = uint64_t{6} * (place < 2 ? low : high);
    return static_cast<double>(sixfold >> 32) - 3;
  }
};

}  // namespace dartsmith
