// Products with a matrix whose columns lie in panels: two vectors of columns [depth, 2 * kLanes], zeros where there are
// none, so that the inner loop reads one stream. Every element is summed over the depth in order, whoever computes it.
#pragma once
#include "cpu/simd.h"

namespace dartsmith::cpu::DARTSMITH_ISA {

inline constexpr int kPanelWidth = 2 * kLanes;
// Rows that a product takes at once: with two vectors each they leave registers for a line of the panel.
inline constexpr int kPanelRows = kSums >= 16 ? 8 : kSums / 2;

inline int64_t panels_of(int64_t columns) {
  return divide_up(columns, kPanelWidth);
}
inline int64_t panel_elements(int64_t depth, int64_t columns) {
  return panels_of(columns) * depth * kPanelWidth;
}

typedef Vec PanelSums[kPanelRows][2];

// sums += rows [kPanelRows, depth] times the panel. Rows may be the same.
__attribute__((always_inline)) inline void add_panel_product(const float* const (&rows)[kPanelRows], int64_t depth,
                                                             const float* panel, PanelSums& sums) {
  for (int64_t k = 0; k < depth; ++k, panel += kPanelWidth) {
    const Vec first = load(panel), second = load(panel + kLanes);
    unroll<kPanelRows>([&](auto r) {
      const Vec factor = splat(rows[r.value][k]);
      sums[r.value][0] += factor * first;
      sums[r.value][1] += factor * second;
    });
  }
}

// Calls finish(row, first, second) with the product of every row below `count` with a panel; row r begins at row_of(r).
template <typename RowOf, typename Finish>
__attribute__((always_inline)) inline void multiply_panel(int64_t count, int64_t depth, const float* panel,
                                                          const RowOf& row_of, const Finish& finish) {
  for (int64_t begin = 0; begin < count; begin += kPanelRows) {
    const float* rows[kPanelRows];
    for (int r = 0; r < kPanelRows; ++r) rows[r] = row_of(min(begin + r, count - 1));
    PanelSums sums = {};
    add_panel_product(rows, depth, panel, sums);
    const int64_t left = min(kPanelRows, count - begin);
    for (int r = 0; r < left; ++r) finish(begin + r, sums[r][0], sums[r][1]);
  }
}

// A panel of a matrix [depth, columns] of that row stride, from column `column` on.
inline void pack_panel(const float* matrix, int64_t stride, int64_t depth, int64_t column, int64_t columns,
                       float* panel) {
  const Lanes first(max(0, columns - column)), second(max(0, columns - column - kLanes));
  for (int64_t k = 0; k < depth; ++k) {
    const float* row = matrix + k * stride + column;
    store(panel + k * kPanelWidth, load_first(row, first));
    store(panel + k * kPanelWidth + kLanes, second.count > 0 ? load_first(row + kLanes, second) : Vec{});
  }
}

// The same of the transpose of a matrix [columns, depth].
inline void pack_transposed_panel(const float* matrix, int64_t stride, int64_t depth, int64_t column, int64_t columns,
                                  float* panel) {
  const int64_t count = min(kPanelWidth, columns - column);
  // A few rows at a time: their lines are still in the cache when the next element of each is read.
  constexpr int64_t kBlock = 64;
  for (int64_t begin = 0; begin < depth; begin += kBlock) {
    const int64_t end = min(depth, begin + kBlock);
    for (int64_t c = 0; c < count; ++c) {
      const float* row = matrix + (column + c) * stride;
      for (int64_t k = begin; k < end; ++k) panel[k * kPanelWidth + c] = row[k];
    }
    for (int64_t k = begin; k < end; ++k) {
      for (int64_t c = count; c < kPanelWidth; ++c) panel[k * kPanelWidth + c] = 0;
    }
  }
}

// A panel of the gate's columns and the candidate's side by side, of a matrix [depth, 2 * channels].
inline void pack_gate_panel(const float* matrix, int64_t depth, int64_t channels, int64_t channel, float* panel) {
  const Lanes lanes(channels - channel);
  for (int64_t k = 0; k < depth; ++k) {
    const float* row = matrix + k * 2 * channels + channel;
    store(panel + k * kPanelWidth, load_first(row, lanes));
    store(panel + k * kPanelWidth + kLanes, load_first(row + channels, lanes));
  }
}

// Stores, or adds, a panel's columns of one row.
inline void store_panel_row(float* target, int64_t column, int64_t columns, Vec first, Vec second, bool accumulate) {
  const Lanes lanes(columns - column);
  if (accumulate) first += load_first(target + column, lanes);
  store_first(target + column, first, lanes);
  const int64_t left = columns - column - kLanes;
  if (left <= 0) return;
  const Lanes rest(left);
  if (accumulate) second += load_first(target + column + kLanes, rest);
  store_first(target + column + kLanes, second, rest);
}

// What add_correlation sums over: a row of each of two matrices for every sample, found by two functions.
// target [rows, columns] += sum over samples of left [rows] times right [columns], left transposed: `left(sample)`
// points at the first of the rows, `mask(sample)` at what they are multiplied by, or is null. `scratch`:
// correlation_scratch() floats.
inline constexpr int64_t kCorrelatedSamples = 256;

inline int64_t correlation_scratch(int64_t rows) {
  return kCorrelatedSamples * (kPanelWidth + divide_up(rows, kPanelRows) * kPanelRows);
}

// Left rows of a run of samples as [tiles, samples, kPanelRows], masked.
template <typename Left, typename MaskOf>
void pack_left(const Left& left, const MaskOf& mask, int64_t first, int64_t samples, int64_t rows, float* packed) {
  for (int64_t s = 0; s < samples; ++s) {
    const float *from = left(first + s), *factors = mask(first + s);
    for (int64_t row = 0; row < rows; row += kPanelRows) {
      float* to = packed + row * samples + s * kPanelRows;
      const int64_t count = min(kPanelRows, rows - row);
      for (int64_t r = 0; r < count; ++r) to[r] = factors == nullptr ? from[row + r] : from[row + r] * factors[row + r];
      for (int64_t r = count; r < kPanelRows; ++r) to[r] = 0;
    }
  }
}

template <typename Left, typename MaskOf, typename Right>
void add_correlation(int64_t samples, int64_t rows, int64_t columns, const Left& left, const MaskOf& mask,
                     const Right& right, float* target, float* scratch) {
  float *panel = scratch, *packed = scratch + kCorrelatedSamples * kPanelWidth;
  const float* lines[kCorrelatedSamples];
  for (int64_t first = 0; first < samples; first += kCorrelatedSamples) {
    const int64_t count = min(kCorrelatedSamples, samples - first);
    pack_left(left, mask, first, count, rows, packed);
    for (int64_t s = 0; s < count; ++s) lines[s] = right(first + s);
    for (int64_t column = 0; column < columns; column += kPanelWidth) {
      const Lanes lanes(columns - column), rest(max(0, columns - column - kLanes));
      for (int64_t s = 0; s < count; ++s) {
        const float* line = lines[s] + column;
        store(panel + s * kPanelWidth, load_first(line, lanes));
        store(panel + s * kPanelWidth + kLanes, rest.count > 0 ? load_first(line + kLanes, rest) : Vec{});
      }
      for (int64_t row = 0; row < rows; row += kPanelRows) {
        const float *tile = packed + row * count, *line = panel;
        PanelSums sums = {};
        for (int64_t s = 0; s < count; ++s, tile += kPanelRows, line += kPanelWidth) {
          const Vec one = load(line), two = load(line + kLanes);
          unroll<kPanelRows>([&](auto r) {
            const Vec factor = splat(tile[r.value]);
            sums[r.value][0] += factor * one;
            sums[r.value][1] += factor * two;
          });
        }
        const int64_t left_rows = min(kPanelRows, rows - row);
        for (int r = 0; r < left_rows; ++r) {
          store_panel_row(target + (row + r) * columns, column, columns, sums[r][0], sums[r][1], true);
        }
      }
    }
  }
}

}  // namespace dartsmith::cpu::DARTSMITH_ISA
