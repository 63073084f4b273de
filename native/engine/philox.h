// Philox 4x32-10 (Salmon, Moraes, Dror, Shaw, SC11); src/random/philox.ts computes the same.
#pragma once
#include <cstdint>

// Kernels of a GPU draw as well.
#if defined(__CUDACC__)
#define DARTSMITH_ANY_DEVICE __host__ __device__ __forceinline__
#else
// Always: what is compiled for one instruction set must not be called by code for another.
#define DARTSMITH_ANY_DEVICE __attribute__((always_inline)) inline
#endif

namespace dartsmith {

struct PhiloxBlock {
  uint32_t word[4];
};

// Names a random stream; numbers of `purpose` are those of src/random/philox.ts.
struct RandomStream {
  uint64_t seed = 0;
  uint32_t purpose = 0;
  uint32_t epoch = 0;
  uint32_t step = 0;
};

DARTSMITH_ANY_DEVICE PhiloxBlock philox(const RandomStream& stream, uint32_t index) {
  uint32_t c0 = stream.purpose, c1 = stream.epoch, c2 = stream.step, c3 = index;
  uint32_t k0 = static_cast<uint32_t>(stream.seed), k1 = static_cast<uint32_t>(stream.seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * c0;
    const uint64_t b = uint64_t{0xCD9E8D57} * c2;
    c0 = static_cast<uint32_t>(b >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(b);
    c2 = static_cast<uint32_t>(a >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(a);
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return {{c0, c1, c2, c3}};
}

}  // namespace dartsmith
