// What this machine does at best: multiply-adds on registers, and reading memory. The yardstick of the benchmarks.
#include "cpu/peak.h"

#include <cstring>

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

inline constexpr int kChains = kSums >= 24 ? 24 : 12;  // enough to hide the latency of a multiply-add
inline constexpr int kRounds = 3;                      // the best counts

double multiply_adds(int64_t steps) {
  Vec sums[kChains] = {};
  Vec factor = splat(0.999f), term = splat(0.001f);
  hold(factor);
  hold(term);
  for (int64_t i = 0; i < steps; ++i) {
    unroll<kChains>([&](auto k) __attribute__((always_inline)) {
      sums[k.value] = sums[k.value] * factor + term;
      hold(sums[k.value]);
    });
  }
  Vec total = {};
  unroll<kChains>([&](auto k) __attribute__((always_inline)) { total += sums[k.value]; });
  return sum(total);
}

double read_all(const float* from, int64_t count) {
  Vec sums[8] = {};
  for (int64_t i = 0; i + 8 * kLanes <= count; i += 8 * kLanes) {
    unroll<8>([&](auto k) __attribute__((always_inline)) { sums[k.value] += load(from + i + k.value * kLanes); });
  }
  Vec total = {};
  unroll<8>([&](auto k) __attribute__((always_inline)) { total += sums[k.value]; });
  return sum(total);
}

// Work per second of `tasks` tasks of `work` each, in the best of some rounds.
template <typename Task>
double best_rate(Stream& stream, int64_t tasks, double work, const Task& task) {
  double best = 0;
  for (int round = 0; round < kRounds; ++round) {
    const double start = monotonic_seconds();
    parallel(stream, tasks, task);
    const double rate = static_cast<double>(tasks) * work / (monotonic_seconds() - start);
    best = rate > best ? rate : best;
  }
  return best;
}

}  // namespace

Peak measure_peak(Stream& stream) {
  // Results go somewhere, or the work could be left out.
  const auto keep = [&](int thread, double result) { *thread_scratch<double>(stream, thread, 1) = result; };
  constexpr int64_t kSteps = 200000;
  Peak peak;
  peak.flops_per_second = best_rate(stream, int64_t{64} * pool(stream).threads(), 2.0 * kChains * kLanes * kSteps,
                                    [&](int64_t, int thread) { keep(thread, multiply_adds(kSteps)); });
  // Larger than the caches of most machines.
  constexpr int64_t kPieces = 256, kPieceElements = 1 << 18;
  const Memory held(kPieces * kPieceElements * sizeof(float));
  auto* memory = static_cast<float*>(held.data());
  parallel(stream, kPieces, [&](int64_t piece, int) {
    std::memset(memory + piece * kPieceElements, 0, kPieceElements * sizeof(float));
  });
  peak.bytes_per_second = best_rate(
      stream, kPieces, static_cast<double>(kPieceElements) * sizeof(float),
      [&](int64_t piece, int thread) { keep(thread, read_all(memory + piece * kPieceElements, kPieceElements)); });
  return peak;
}

}  // namespace dartsmith::cpu::DARTSMITH_ISA
