// Batch-norm statistics by pieces small enough for the first-level cache: mean and squared deviations of a piece in
// float, joined in double in a fixed order (Chan, Golub, LeVeque 1983), so that a mean far from zero costs no digits.
#pragma once
#include "cpu/simd.h"

namespace dartsmith::cpu::DARTSMITH_ISA {

inline constexpr int64_t kPiecePixels = 256;

inline int64_t pieces_of(const Tensor& tensor) {
  return divide_up(pixels_of(tensor), kPiecePixels);
}

// Calls body(first channel, lanes) for each block of channels.
template <typename Body>
void for_channels(int64_t channels, const Body& body) {
  for (int64_t c = 0; c < channels; c += kLanes) body(c, Lanes(channels - c));
}

// Sum over pixels of term(pixel) for one block of channels, four running sums for latency's sake.
template <typename Term>
Vec sum_pixels(int64_t pixels, const Term& term) {
  Vec sums[4] = {};
  int64_t p = 0;
  for (; p + 4 <= pixels; p += 4) {
    for (int i = 0; i < 4; ++i) sums[i] += term(p + i);
  }
  for (; p < pixels; ++p) sums[0] += term(p);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// Of one piece, per channel: mean, then sum of squared deviations from it. [2, channels]
void piece_moments(const float* x, int64_t pixels, int64_t channels, float* moments);

// `runs` runs of `run_pixels` each, cut into pieces of `piece_pixels` (the last of a run may be shorter), whose moments
// [2, channels] follow one another.
struct Pieces {
  int64_t runs;
  int64_t run_pixels;
  int64_t piece_pixels;
};

// call.saved = mean, reciprocal standard deviation, from the pieces or, where the call says so, from the running
// statistics; moves the running statistics where the call says so.
void finish_moments(const KernelCall& call, const float* moments, const Pieces& pieces);

// call.saved for inputs[0], from the batch or the running statistics as the call says.
void find_moments(Stream& stream, const KernelCall& call);
size_t moments_workspace_bytes(const Tensor& input);

// Gradient map (A, B, D) of a normalised input, weighed by `mixing` and by its scale where it has one, from the sums
// over `pixels` (see statistics_pixels) of the gradient and of gradient * (tensor - mean), per channel: d = mixing *
// scale * rstd * (g - mean(g) - xhat * mean(g * xhat)).
struct GradientSums {
  double gradient;
  double centred_product;
};
void write_gradient_map(const GradientSums* sums, const InputLink& link, int64_t channels, double mixing,
                        double pixels);

}  // namespace dartsmith::cpu::DARTSMITH_ISA
