// How a recurrent cell's numbers lie, and in which order its nodes can be computed: the same on every backend. No std
// templates: see engine/kernel.h.
#pragma once
#include <cstdint>

#include "engine/kernel.h"

namespace dartsmith {

// [rows of x, rows of h; gate, candidate] = W0 [2 * channels, 2 * channels], then a matrix [channels, 2 * channels] a
// node, each from a multiple of 16 elements on, as src/backend/parameter_map.ts lays them out.
struct RecurrentWeights {
  int64_t channels;

  DARTSMITH_ANY_DEVICE static int64_t aligned(int64_t elements) { return (elements + 15) / 16 * 16; }
  DARTSMITH_ANY_DEVICE int64_t of_input() const { return 0; }
  DARTSMITH_ANY_DEVICE int64_t of_hidden() const { return 2 * channels * channels; }
  // Of node 1, 2, ...
  DARTSMITH_ANY_DEVICE int64_t of_node(int node) const {
    return aligned(4 * channels * channels) + (node - 1) * aligned(2 * channels * channels);
  }
  DARTSMITH_ANY_DEVICE int64_t elements(int nodes) const { return of_node(nodes) + 2 * channels * channels; }
};

// An earlier node that leads to a later one. Of a searched cell `row` is its row of mixing weights; of a derived one
// -1.
struct RecurrentPair {
  int to = 0;
  int from = 0;
  int row = -1;
  RecurrentActivation activation = RecurrentActivation::kNone;
};

inline constexpr int kMostRecurrentPairs = kMostRecurrentNodes * (kMostRecurrentNodes + 1) / 2;

// Pairs by node, then by the earlier one; and the stages in which they are computed: all pairs of a stage come from
// nodes that are complete when it begins. A searched cell has a stage a node that others come from, a derived one a
// stage a depth.
struct RecurrentSchedule {
  int nodes = 0;
  int pairs = 0;
  int stages = 0;
  RecurrentPair pair[kMostRecurrentPairs] = {};
  int first_pair[kMostRecurrentNodes + 2] = {};  // of node i: pairs first_pair[i] to first_pair[i + 1]
  int stage_of[kMostRecurrentPairs] = {};

  DARTSMITH_ANY_DEVICE explicit RecurrentSchedule(const RecurrentCellAttributes& cell) : nodes(cell.nodes) {
    const bool searched = cell.candidate_count > 0;
    int depth[kMostRecurrentNodes + 1] = {};
    for (int to = 1; to <= nodes; ++to) {
      first_pair[to] = pairs;
      for (int from = 0; from < to; ++from) {
        const RecurrentEdge& edge = cell.edges[to - 1];
        if (!searched && edge.from != from) continue;
        const int row = to * (to - 1) / 2 + from;
        pair[pairs] = {to, from, searched ? row : -1, searched ? RecurrentActivation::kNone : edge.activation};
        stage_of[pairs] = searched ? from : depth[from];
        if (stage_of[pairs] + 1 > stages) stages = stage_of[pairs] + 1;
        depth[to] = depth[from] + 1;
        ++pairs;
      }
    }
    first_pair[nodes + 1] = pairs;
  }
  // Whether a node is complete when the stage is over, and was not before.
  DARTSMITH_ANY_DEVICE bool completes(int stage, int node) const { return stage_of[first_pair[node + 1] - 1] == stage; }
};

// What forward leaves for backward, in floats, for up to `times` times: the first hidden state [columns, channels];
// states [times, nodes + 1, columns, channels]; reciprocal deviations [times, nodes + 1, channels] of a searched cell;
// gates and candidates [times, 1 + pairs, columns, 2 * channels], first those of node 0.
struct RecurrentSaved {
  int64_t channels, columns, times;
  int64_t states;  // a time
  int64_t pairs;   // a time, node 0's included
  bool searched;

  DARTSMITH_ANY_DEVICE int64_t hidden() const { return 0; }
  DARTSMITH_ANY_DEVICE int64_t state(int64_t time, int64_t node) const {
    return columns * channels * (1 + time * states + node);
  }
  DARTSMITH_ANY_DEVICE int64_t deviation(int64_t time, int64_t node) const {
    return state(times, 0) + (searched ? channels * (time * states + node) : 0);
  }
  // `pair` 0 is node 0's.
  DARTSMITH_ANY_DEVICE int64_t gates(int64_t time, int64_t pair) const {
    return deviation(times, 0) + 2 * columns * channels * (time * pairs + pair);
  }
  DARTSMITH_ANY_DEVICE int64_t elements() const { return gates(times, 0); }
};

DARTSMITH_ANY_DEVICE RecurrentSaved recurrent_saved(const RecurrentCellAttributes& cell, int64_t channels,
                                                    int64_t samples, int64_t columns) {
  const bool searched = cell.candidate_count > 0;
  const int64_t pairs = searched ? cell.nodes * (cell.nodes + 1) / 2 : cell.nodes;
  return {channels, columns, samples / columns, cell.nodes + 1, 1 + pairs, searched};
}

}  // namespace dartsmith
