// Vectors of floats in the GCC/Clang extension, as wide as the instruction set that this file is compiled for. Every
// kernel file is compiled once per instruction set, each in a namespace of its own (DARTSMITH_ISA).
#pragma once
#include <cstdint>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "cpu/thread_pool.h"

#ifndef DARTSMITH_ISA
#error "DARTSMITH_ISA names the instruction set of this compilation: baseline, avx2, avx512 or neon"
#endif

namespace dartsmith::cpu::DARTSMITH_ISA {

// kLanes: of a vector. kSums: vectors that an inner loop sums up in registers; the others hold what it multiplies.
#if defined(__AVX512F__)
inline constexpr int kLanes = 16;
inline constexpr int kSums = 24;  // of 32 registers: a factor may come from memory
#elif defined(__AVX2__)
inline constexpr int kLanes = 8;
inline constexpr int kSums = 12;  // of 16
#elif defined(__aarch64__)
inline constexpr int kLanes = 4;
inline constexpr int kSums = 16;  // of 32: no factor comes from memory
#else
inline constexpr int kLanes = 4;
inline constexpr int kSums = 8;  // of 16: products go through a register
#endif

typedef float Vec __attribute__((vector_size(sizeof(float) * kLanes)));
typedef int32_t Mask __attribute__((vector_size(sizeof(float) * kLanes)));
typedef float UnalignedVec __attribute__((vector_size(sizeof(float) * kLanes), aligned(4), may_alias));

inline Vec load(const float* p) {
  return *reinterpret_cast<const UnalignedVec*>(p);
}
inline void store(float* p, Vec v) {
  *reinterpret_cast<UnalignedVec*>(p) = v;
}
inline Vec splat(float x) {
  return x - Vec{};
}

// The leading lanes of a vector that a load or store touches: where `left` elements are left, at most all. Loads leave
// zeros in the others.
struct Lanes {
  int count = kLanes;
#if defined(__AVX512F__)
  __mmask16 mask = 0xffff;
#elif defined(__AVX2__)
  Mask mask = Mask{} - 1;
#endif

  Lanes() = default;
  explicit Lanes(int64_t left) : count(left < kLanes ? static_cast<int>(left) : kLanes) {
#if defined(__AVX512F__)
    mask = static_cast<__mmask16>((1u << count) - 1);
#elif defined(__AVX2__)
    mask = Mask{0, 1, 2, 3, 4, 5, 6, 7} < count;
#endif
  }
  bool whole() const {
    return count == kLanes;
  }
};

// A number as a type, to choose a template by a run-time value (std::integral_constant would be shared code).
template <int N>
struct Constant {
  static constexpr int value = N;
};

// Calls body(Constant<i>) for the first lanes of four, less than all: a lane that only the run knows lies in memory.
template <typename Body>
__attribute__((always_inline)) inline void for_first_of_four(Lanes lanes, const Body& body) {
  if (lanes.count > 0) body(Constant<0>{});
  if (lanes.count > 1) body(Constant<1>{});
  if (lanes.count > 2) body(Constant<2>{});
}

inline Vec load_first(const float* p, Lanes lanes) {
#if defined(__AVX512F__)
  return (Vec)_mm512_maskz_loadu_ps(lanes.mask, p);
#elif defined(__AVX2__)
  return (Vec)_mm256_maskload_ps(p, (__m256i)lanes.mask);
#else
  if (lanes.whole()) return load(p);
  Vec v = {};
  for_first_of_four(lanes, [&](auto i) { v[i.value] = p[i.value]; });
  return v;
#endif
}

inline void store_first(float* p, Vec v, Lanes lanes) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, lanes.mask, (__m512)v);
#elif defined(__AVX2__)
  // By halves: AMD's processors before Zen 4 take dozens of steps for a masked store.
  if (lanes.whole()) return store(p, v);
  __m128 half = _mm256_castps256_ps128((__m256)v);
  if ((lanes.count & 4) != 0) {
    _mm_storeu_ps(p, half);
    half = _mm256_extractf128_ps((__m256)v, 1);
    p += 4;
  }
  if ((lanes.count & 2) != 0) {
    _mm_storel_pi(reinterpret_cast<__m64*>(p), half);
    half = _mm_movehl_ps(half, half);
    p += 2;
  }
  if ((lanes.count & 1) != 0) _mm_store_ss(p, half);
#else
  if (lanes.whole()) return store(p, v);
  for_first_of_four(lanes, [&](auto i) { p[i.value] = v[i.value]; });
#endif
}

inline int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

typedef uint16_t Halves __attribute__((vector_size(sizeof(uint16_t) * kLanes)));
typedef uint32_t Bits __attribute__((vector_size(sizeof(uint32_t) * kLanes)));

// Leading lanes go piece by piece: a copy of a length that only the run knows goes through memory.
inline Halves load_first_halves(const Bfloat16* p, Lanes lanes) {
  Halves halves = {};
#if defined(__AVX512F__)
  halves = (Halves)_mm256_maskz_loadu_epi16(lanes.mask, p);
#else
  if (lanes.whole()) {
    __builtin_memcpy(&halves, p, sizeof(halves));
    return halves;
  }
#if defined(__AVX2__)
  const int fours = lanes.count & 4, twos = lanes.count & 2;
  __m128i joined = {};
  if ((lanes.count & 1) != 0) joined = _mm_cvtsi32_si128(p[fours + twos].bits);
  if (twos != 0) {
    int pair;  // GCC 11.1 has _mm_loadu_si32 wrong
    __builtin_memcpy(&pair, p + fours, sizeof(pair));
    joined = _mm_unpacklo_epi32(_mm_cvtsi32_si128(pair), joined);
  }
  if (fours != 0) joined = _mm_unpacklo_epi64(_mm_loadu_si64(p), joined);
  halves = (Halves)joined;
#else
  for_first_of_four(lanes, [&](auto i) { halves[i.value] = p[i.value].bits; });
#endif
#endif
  return halves;
}

inline void store_first_halves(Bfloat16* p, Halves halves, Lanes lanes) {
#if defined(__AVX512F__)
  _mm256_mask_storeu_epi16(p, lanes.mask, (__m256i)halves);
#else
  if (lanes.whole()) {
    __builtin_memcpy(p, &halves, sizeof(halves));
    return;
  }
#if defined(__AVX2__)
  __m128i left = (__m128i)halves;
  if ((lanes.count & 4) != 0) {
    _mm_storeu_si64(p, left);
    left = _mm_srli_si128(left, 8);
    p += 4;
  }
  if ((lanes.count & 2) != 0) {
    const int pair = _mm_cvtsi128_si32(left);
    __builtin_memcpy(p, &pair, sizeof(pair));
    left = _mm_srli_si128(left, 4);
    p += 2;
  }
  if ((lanes.count & 1) != 0) p->bits = static_cast<uint16_t>(_mm_cvtsi128_si32(left));
#else
  for_first_of_four(lanes, [&](auto i) { p[i.value].bits = halves[i.value]; });
#endif
#endif
}

// Bfloat16, widened.
inline Vec load_first(const Bfloat16* p, Lanes lanes) {
  return (Vec)(__builtin_convertvector(load_first_halves(p, lanes), Bits) << 16);
}

// Rounds to the nearest bfloat16, halves to even; gives back what was stored.
inline Vec store_first(Bfloat16* p, Vec v, Lanes lanes) {
  const Bits bits = (Bits)v;
  const Bits rounded = bits + 0x7fff + ((bits >> 16) & 1);
  const Bits quiet = bits | 0x400000;  // rounding could make an infinity of a NaN
  const Bits kept = (v != v ? quiet : rounded) & 0xffff0000u;
  store_first_halves(p, __builtin_convertvector(kept >> 16, Halves), lanes);
  return (Vec)kept;
}

// Calls body(pointer to element `first`) with the type that the tensor is stored in.
template <typename Body>
void with_elements(const Tensor& tensor, int64_t first, const Body& body) {
  if (tensor.precision == Precision::kBf16) {
    body(reinterpret_cast<Bfloat16*>(tensor.data) + first);
  } else {
    body(tensor.data + first);
  }
}

// Holds a value in a register: the compiler would rather load it again for each use, or keep a register for each
// address of a walk, than step.
inline void hold(Vec& v) {
#if defined(__x86_64__)
  asm("" : "+v"(v));
#elif defined(__aarch64__)
  asm("" : "+w"(v));
#endif
}
template <typename Element>
inline void hold(Element*& p) {
#if defined(__x86_64__) || defined(__aarch64__)
  asm("" : "+r"(p));
#endif
}

// a * b + c, rounded once where the processor can. Where two products are added the compiler would choose which of them
// is rounded, by instruction set and from version to version.
inline Vec multiply_add(Vec a, Vec b, Vec c) {
#if defined(__AVX512F__)
  return (Vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
  return (Vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
  return (Vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  return a * b + c;
#endif
}

inline Vec relu(Vec x) {
  return x < Vec{} ? Vec{} : x;  // NaN stays NaN
}

inline void fill(float* target, int64_t count, float value) {
  for (int64_t i = 0; i < count; ++i) target[i] = value;
}

inline int64_t pixels_of(const Tensor& t) {
  return t.batch * t.height * t.width;
}
inline int64_t elements_of(const Tensor& t) {
  return pixels_of(t) * t.channels;
}

// The larger of each lane, b where either is NaN.
inline Vec max(Vec a, Vec b) {
#if defined(__AVX512F__)
  return (Vec)_mm512_maskz_max_ps(0xffff, (__m512)a, (__m512)b);  // plain max_ps warns falsely in GCC 12
#elif defined(__AVX2__)
  return (Vec)_mm256_max_ps((__m256)a, (__m256)b);
#else
  return a > b ? a : b;
#endif
}

// Lanes added in pairs: a fixed tree.
inline double sum(Vec v) {
  double partial[kLanes];
  for (int i = 0; i < kLanes; ++i) partial[i] = v[i];
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) partial[i] += partial[i + width];
  }
  return partial[0];
}

inline int64_t min(int64_t a, int64_t b) {
  return a < b ? a : b;
}
inline int64_t max(int64_t a, int64_t b) {
  return a > b ? a : b;
}

inline ThreadPool& pool(Stream& stream) {
  return static_cast<ThreadPool&>(stream);
}

// Calls body(task, thread) for every task below `count`.
template <typename Body>
void parallel(Stream& stream, int64_t count, const Body& body) {
  pool(stream).run(
      count, [](const void* context, int64_t task, int thread) { (*static_cast<const Body*>(context))(task, thread); },
      &body);
}

// Cuts [0, count) into pieces of `grain` and calls body(begin, end) for each.
template <typename Body>
void parallel_ranges(Stream& stream, int64_t count, int64_t grain, const Body& body) {
  parallel(stream, divide_up(count, grain),
           [&](int64_t task, int) { body(task * grain, min(count, (task + 1) * grain)); });
}

// Calls body(Constant<0>) to body(Constant<Count - 1>), written out: what they touch can stay in registers.
template <int Count, int From = 0, typename Body>
__attribute__((always_inline)) inline void unroll(const Body& body) {
  if constexpr (From < Count) {
    body(Constant<From>{});
    unroll<Count, From + 1>(body);
  }
}

inline constexpr int64_t kElementGrain = 16384;  // 64 KiB: long enough to hide the hand-out, short enough to share

template <typename T>
T* thread_scratch(Stream& stream, int thread, int64_t elements) {
  return static_cast<T*>(pool(stream).scratch(thread, static_cast<size_t>(elements) * sizeof(T)));
}

}  // namespace dartsmith::cpu::DARTSMITH_ISA
