// Matrix fragments of one warp. Each lane holds every 32nd element; sums are float32 in the order of the inner
// dimension.
#pragma once
#include <cuda_bf16.h>
#include <cuda_runtime.h>

namespace nvcuda::wmma {

struct matrix_a {};
struct matrix_b {};
struct accumulator {};
struct row_major {};
struct col_major {};
enum layout_t { mem_row_major, mem_col_major };

namespace precision {
struct tf32 {};
}  // namespace precision

template <typename T>
struct Storage {
  using type = T;
};
template <>
struct Storage<precision::tf32> {
  using type = float;
};

template <typename Use, int M, int N, int K, typename T, typename Layout = void>
struct fragment {
  static constexpr int rows = std::is_same_v<Use, matrix_b> ? K : M;
  static constexpr int columns = std::is_same_v<Use, matrix_a> ? K : N;
  static constexpr int num_elements = rows * columns / 32;
  typename Storage<T>::type x[num_elements];
};

// What the tensor cores read of a float.
inline float __float_to_tf32(float value) {
  const unsigned bits = __float_as_uint(value);
  if ((bits & 0x7f800000u) == 0x7f800000u) return value;
  return __uint_as_float((bits + 0x1000u) & 0xffffe000u);  // nearest, halves away from zero
}

using ::dartsmith::simt::lane_now;

template <int M, int N, int K, typename T>
void fill_fragment(fragment<accumulator, M, N, K, T>& f, T value) {
  for (T& x : f.x) x = value;
}

template <typename Use, int M, int N, int K, typename T, typename Layout>
void load_matrix_sync(fragment<Use, M, N, K, T, Layout>& f, const typename Storage<T>::type* from, unsigned pitch) {
  using F = fragment<Use, M, N, K, T, Layout>;
  for (int i = 0; i < F::num_elements; ++i) {
    const int at = i * 32 + static_cast<int>(lane_now()), row = at / F::columns, column = at % F::columns;
    f.x[i] = std::is_same_v<Layout, col_major> ? from[column * pitch + row] : from[row * pitch + column];
  }
  ::dartsmith::simt::warp_barrier();
}

template <int M, int N, int K, typename T>
void store_matrix_sync(T* to, const fragment<accumulator, M, N, K, T>& f, unsigned pitch, layout_t layout) {
  using F = fragment<accumulator, M, N, K, T>;
  for (int i = 0; i < F::num_elements; ++i) {
    const int at = i * 32 + static_cast<int>(lane_now()), row = at / F::columns, column = at % F::columns;
    (layout == mem_row_major ? to[row * pitch + column] : to[column * pitch + row]) = f.x[i];
  }
  ::dartsmith::simt::warp_barrier();
}

// Every element of a fragment, from all lanes, as floats.
template <typename F>
void collect(const F& f, float* elements) {
  for (int i = 0; i < F::num_elements; ++i) {
    float value;
    if constexpr (sizeof(f.x[i]) == 2) {
      unsigned bits = 0;
      std::memcpy(&bits, &f.x[i], 2);
      value = __uint_as_float(bits << 16);
    } else {
      value = f.x[i];
    }
    const std::byte* values = ::dartsmith::simt::warp_exchange(&value, sizeof value);
    for (int lane = 0; lane < 32; ++lane) {
      std::memcpy(&elements[i * 32 + lane], values + lane * ::dartsmith::simt::kExchangeBytes, sizeof value);
    }
  }
}

template <int M, int N, int K, typename T, typename LA, typename LB>
void mma_sync(fragment<accumulator, M, N, K, float>& d, const fragment<matrix_a, M, N, K, T, LA>& a,
              const fragment<matrix_b, M, N, K, T, LB>& b, const fragment<accumulator, M, N, K, float>& c) {
  float left[M * K], right[K * N];
  collect(a, left);
  collect(b, right);
  for (int i = 0; i < c.num_elements; ++i) {
    const int at = i * 32 + static_cast<int>(lane_now()), row = at / N, column = at % N;
    float sum = c.x[i];
    for (int k = 0; k < K; ++k) sum += left[row * K + k] * right[k * N + column];
    d.x[i] = sum;
  }
}

}  // namespace nvcuda::wmma
