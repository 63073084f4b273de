// What tensor cores do for a warp: ldmatrix and mma.sync, by exchange between its lanes. Fragments lie in the lanes as
// PTX ISA 9.7.14 draws them.
#pragma once
#include <cuda_runtime.h>

namespace dartsmith::simt {

// ldmatrix.sync.aligned.m8n8.x4.shared.b16: four matrices of eight rows of 16 bytes, whose addresses the lanes bring.
inline void load_matrices(unsigned (&words)[4], const void* row) {
  if (reinterpret_cast<uintptr_t>(row) % 16 != 0) fault("a matrix row that is not aligned");
  const std::byte* rows = warp_exchange(&row, sizeof row);
  const unsigned lane = lane_now();
  for (unsigned m = 0; m < 4; ++m) {
    const auto* from = of_lane<const std::byte*>(rows, m * 8 + lane / 4);
    std::memcpy(&words[m], from + lane % 4 * 4, 4);
  }
  warp_barrier();
}

// Of all lanes, for one mma: left [16, 8 words], right [8 words, 8].
struct Factors {
  unsigned left[16][8], right[8][8];

  Factors(const unsigned (&a)[4], unsigned b0, unsigned b1) {
    const std::byte* values = warp_exchange(a, sizeof a);
    for (unsigned lane = 0; lane < kWarp; ++lane) {
      const auto words = of_lane<uint4>(values, lane);
      const unsigned row = lane / 4, column = lane % 4;
      left[row][column] = words.x;
      left[row + 8][column] = words.y;
      left[row][column + 4] = words.z;
      left[row + 8][column + 4] = words.w;
    }
    const uint2 own{b0, b1};
    values = warp_exchange(&own, sizeof own);
    for (unsigned lane = 0; lane < kWarp; ++lane) {
      const auto words = of_lane<uint2>(values, lane);
      right[lane % 4][lane / 4] = words.x;
      right[lane % 4 + 4][lane / 4] = words.y;
    }
  }
};

// Adds one word's share to a sum.
inline float add_tf32(float sum, unsigned a, unsigned b) {
  return sum + __uint_as_float(a) * __uint_as_float(b);
}
inline float add_bf16(float sum, unsigned a, unsigned b) {
  sum += __uint_as_float(a << 16) * __uint_as_float(b << 16);
  return sum + __uint_as_float(a & 0xffff0000u) * __uint_as_float(b & 0xffff0000u);
}

template <typename Add>
void multiply_add(float (&sums)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, const Add& add) {
  const Factors factors(a, b0, b1);
  const unsigned lane = lane_now();
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
    for (unsigned k = 0; k < 8; ++k) sums[i] = add(sums[i], factors.left[row][k], factors.right[k][column]);
  }
}

}  // namespace dartsmith::simt
