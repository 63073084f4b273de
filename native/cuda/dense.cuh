// Products of large matrices in device memory, a tile a task, whose factors are read from wherever they lie. 48 columns
// divide the channels of evaluation networks (144, 48, 96, 192; 36 and 72 to three quarters) where 64 leave up to half
// of a tile empty, for a fifteenth more reads.
#pragma once
#include "cuda/product.cuh"

namespace dartsmith::cuda::dense {

inline constexpr int kRows = 80;  // of a task's product
inline constexpr int kColumns = 48;
inline constexpr int kInner = 32;
inline constexpr int kInnerMultiple = 16;  // what the inner dimension is filled up to
static_assert(kRows * kColumns <= kProductArea);

template <Precision precision>
struct Parts {
  using Type = typename Factor<precision>::Type;
  static constexpr int kLeftPitch = pitch_of<precision>(kInner);
  static constexpr int kRightPitch = pitch_of<precision>(kColumns);
  Type* left;     // [kRows, kInner]
  Type* right;    // [kInner, kColumns]
  float* result;  // [kRows, kColumns], in the place of both

  __host__ __device__ explicit Parts(Shared& shared) {
    const int64_t first = round_up(int64_t{kRows} * kLeftPitch * sizeof(Type), 32);
    const int64_t both = first + int64_t{kInner} * kRightPitch * static_cast<int64_t>(sizeof(Type));
    const int64_t product = int64_t{kRows} * (kColumns + kResultPad) * static_cast<int64_t>(sizeof(float));
    unsigned char* memory = shared.take<unsigned char>(larger(both, product) + 32);
    memory += (32 - reinterpret_cast<uintptr_t>(memory) % 32) % 32;
    left = reinterpret_cast<Type*>(memory);
    right = reinterpret_cast<Type*>(memory + first);
    result = reinterpret_cast<float*>(memory);
  }
};

// Elements of a tensor, 0 for those below 0: all are asked for before any is there.
template <int count>
__device__ __forceinline__ void gather(const View& x, const int64_t (&at)[count], float (&values)[count]) {
  if (x.half) {
#pragma unroll
    for (int i = 0; i < count; ++i) {
      values[i] = at[i] >= 0 ? from_bfloat16(static_cast<const uint16_t*>(x.data)[at[i]]) : 0.0f;
    }
  } else {
#pragma unroll
    for (int i = 0; i < count; ++i) values[i] = at[i] >= 0 ? static_cast<const float*>(x.data)[at[i]] : 0.0f;
  }
}

__device__ __forceinline__ View weights_view(const float* weights) {
  return {const_cast<float*>(weights), 1, false};
}

// What a factor is read from: at(row or column, inner) gives the element, below 0 for none.
template <typename At>
struct Source {
  View x;
  At at;
};
template <typename At>
Source(View, At) -> Source<At>;

// One that may be read through a relu.
template <typename At>
struct ActivatedSource {
  View x;
  At at;
  bool activated;
};
template <typename At>
ActivatedSource(View, At, bool) -> ActivatedSource<At>;

// One whose elements are multiplied by those of a mask, where there is one.
template <typename At, typename MaskAt>
struct MaskedSource {
  View x;
  At at;
  const float* mask;
  MaskAt mask_at;
};
template <typename At, typename MaskAt>
MaskedSource(View, At, const float*, MaskAt) -> MaskedSource<At, MaskAt>;

template <int count, typename From>
__device__ __forceinline__ void load(const From& source, const int (&place)[count], const Index (&inner)[count],
                                     Index end, float (&values)[count]) {
  int64_t at[count];
#pragma unroll
  for (int i = 0; i < count; ++i) at[i] = inner[i] < end ? source.at(place[i], inner[i]) : -1;
  gather(source.x, at, values);
  if constexpr (requires { source.activated; }) {
    const float least = source.activated ? 0.0f : -INFINITY;
#pragma unroll
    for (int i = 0; i < count; ++i) values[i] = at_least(values[i], least);
  }
  if constexpr (requires { source.mask; }) {
    if (source.mask == nullptr) return;
#pragma unroll
    for (int i = 0; i < count; ++i) {
      if (at[i] >= 0) values[i] *= source.mask[source.mask_at(place[i], inner[i])];
    }
  }
}

// Along which dimension neighbouring threads load a factor: where its elements lie side by side.
enum class Along { kPlace, kInner };

// One task's product, inner dimension [begin, end), into parts.result. While a step is multiplied, the next one is on
// its way.
template <Precision precision, Along left_along = Along::kInner, Along right_along = Along::kPlace, typename Left,
          typename Right>
__device__ void multiply(Index begin, Index end, const Parts<precision>& parts, const Left& left, const Right& right) {
  using P = Parts<precision>;
  constexpr int kLefts = kRows * kInner / kThreads, kRights = kInner * kColumns / kThreads;
  float lefts[kLefts], rights[kRights];
  const auto item_of = [](int i) { return static_cast<int>(threadIdx.x) + i * kThreads; };
  const auto row_of = [](int item) { return left_along == Along::kPlace ? item % kRows : item / kInner; };
  const auto filled_of = [](int item) { return left_along == Along::kPlace ? item / kRows : item % kInner; };
  const auto column_of = [](int item) { return right_along == Along::kPlace ? item % kColumns : item / kInner; };
  const auto right_inner_of = [](int item) { return right_along == Along::kPlace ? item / kColumns : item % kInner; };
  const auto fetch = [&](Index inner) {
    int place[kLefts], right_place[kRights];
    Index at[kLefts], right_at[kRights];
#pragma unroll
    for (int i = 0; i < kLefts; ++i) {
      place[i] = row_of(item_of(i));
      at[i] = inner + filled_of(item_of(i));
    }
    load(left, place, at, end, lefts);
#pragma unroll
    for (int i = 0; i < kRights; ++i) {
      right_place[i] = column_of(item_of(i));
      right_at[i] = inner + right_inner_of(item_of(i));
    }
    load(right, right_place, right_at, end, rights);
  };
  Product<precision> product(kRows, kColumns);
  fetch(begin);
  for (Index inner = begin; inner < end; inner += kInner) {
    __syncthreads();
#pragma unroll
    for (int i = 0; i < kLefts; ++i) {
      parts.left[row_of(item_of(i)) * P::kLeftPitch + filled_of(item_of(i))] = Factor<precision>::of(lefts[i]);
    }
#pragma unroll
    for (int i = 0; i < kRights; ++i) {
      const int item = item_of(i);
      parts.right[right_inner_of(item) * P::kRightPitch + column_of(item)] = Factor<precision>::of(rights[i]);
    }
    __syncthreads();
    if (inner + kInner < end) fetch(inner + kInner);
    const int filled = end - inner < kInner ? static_cast<int>(round_up(end - inner, kInnerMultiple)) : kInner;
    product.add(parts.left, P::kLeftPitch, parts.right, P::kRightPitch, filled);
  }
  __syncthreads();
  product.store(parts.result, kColumns + kResultPad);
  __syncthreads();
}

// Calls body(row, column, value) for a task's results that lie within rows x columns.
template <typename Body>
__device__ void for_results(const float* result, int64_t rows, int64_t columns, const Body& body) {
  for_block(kRows * kColumns, [&](int item) {
    const int row = item / kColumns, column = item % kColumns;
    if (row < rows && column < columns) body(row, column, result[row * (kColumns + kResultPad) + column]);
  });
}

// A matrix [rows, columns] as tasks of a tile each: those of a row of tiles one after another.
struct Tiling {
  Index across;
  int64_t tasks;

  __host__ __device__ Tiling(int64_t rows, int64_t columns)
      : across(static_cast<Index>(divide_up(columns, kColumns))), tasks(divide_up(rows, kRows) * across) {}
  __device__ Index row(Index task) const { return task / across * kRows; }
  __device__ Index column(Index task) const { return task % across * kColumns; }
};

// A float32 product of a long inner dimension [0, end), which is cut into pieces of fixed size: calls
// body(row, column, value, first) for a piece after the other, so that no sum grows long before it is added to the
// others.
template <Along left_along = Along::kInner, Along right_along = Along::kPlace, typename Left, typename Right,
          typename Body>
__device__ void multiply_long(int64_t end, const Parts<Precision::kFp32>& parts, int64_t rows, int64_t columns,
                              const Left& left, const Right& right, const Body& body) {
  constexpr int64_t kPiece = 1024;
  for (int64_t begin = 0; begin < end; begin += kPiece) {
    multiply<Precision::kFp32, left_along, right_along>(
        static_cast<Index>(begin), static_cast<Index>(smaller(end, begin + kPiece)), parts, left, right);
    for_results(parts.result, rows, columns,
                [&](int row, int column, float value) { body(row, column, value, begin == 0); });
  }
}

}  // namespace dartsmith::cuda::dense
