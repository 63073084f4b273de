// Tensor cores as instructions, where the lanes of a fragment are known: the lanes of a warp hand over what they have
// in registers without a way through shared memory. PTX ISA 9.7.14.
#pragma once
#include "cuda/task.cuh"
#ifdef DARTSMITH_SIMT
#include <warp_matrix.h>
#endif

namespace dartsmith::cuda::sliding {

// What tensor cores read of a float: 11 bits, nearest, halves away from zero.
__device__ __forceinline__ float to_tf32(float value) {
#ifdef DARTSMITH_SIMT
  const unsigned bits = __float_as_uint(value);
  if ((bits & 0x7f800000u) == 0x7f800000u) return value;
  return __uint_as_float((bits + 0x1000u) & 0xffffe000u);
#else
  unsigned bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return __uint_as_float(bits);
#endif
}

// Two floats as bfloat16 in a word, the first in the lower half.
__device__ __forceinline__ unsigned to_bfloat16_pair(float low, float high) {
#ifdef DARTSMITH_SIMT
  return to_bfloat16(low) | unsigned{to_bfloat16(high)} << 16;
#else
  unsigned word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
#endif
}

// Four matrices of eight rows of 16 bytes in shared memory: lane l brings the address of row l % 8 of matrix l / 8 and
// gets word l % 4 of row l / 4 of each.
__device__ __forceinline__ void load_matrices(unsigned (&words)[4], const void* row) {
#ifdef DARTSMITH_SIMT
  simt::load_matrices(words, row);
#else
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"(address)
               : "memory");
#endif
}

// sums [16, 8] += a [16, 8 words] times b [8 words, 8]; a word is a float of TF32 or two bfloat16.
template <Precision precision>
__device__ __forceinline__ void multiply_add(float (&sums)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
  static_assert(precision != Precision::kFp32);
#ifdef DARTSMITH_SIMT
  simt::multiply_add(sums, a, b0, b1, precision == Precision::kTf32 ? simt::add_tf32 : simt::add_bf16);
#else
  if constexpr (precision == Precision::kTf32) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  } else {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
#endif
}

}  // namespace dartsmith::cuda::sliding
