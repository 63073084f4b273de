#include "cpu/find_tuning.h"

#include <algorithm>
#include <memory>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "engine/error.h"

namespace dartsmith::cpu {
namespace {

// Two separables of one normalised input, as a search's first cells have them.
constexpr int kMembers = 2;
constexpr int64_t kBatch = 32, kSide = 32, kChannels = 16, kTaps = 9;
constexpr int64_t kElements = kBatch * kSide * kSide * kChannels;
constexpr int kRounds = 7;
constexpr double kQuiet = 1.2;  // between a slow round of one tuning and a fast one, where nothing else runs

// Makes the next reader of the lines go to memory.
void leave_caches(const float* from, int64_t count) {
#if defined(__x86_64__)
  for (int64_t i = 0; i < count; i += 16) _mm_clflush(from + i);
  _mm_mfence();
#else
  (void)from, (void)count;  // caches that hold all of it make every tuning equal
#endif
}

// The calls of a pass, their tensors all of one value.
class Trial {
 public:
  explicit Trial(const OpKernels& kernels) : kernels_(kernels) {
    attributes_.window = {.kernel = {3, 3}, .padding = {1, 1}};
    link_.statistics = take(2 * kChannels);
    link_.gradient_map = take(3 * kChannels);
    input_ = {image(), kBatch, kSide, kSide, kChannels};
    float *gradient = image(), *map = take(3 * kChannels);
    for (int m = 0; m < kMembers; ++m) {
      targets_[m] = {gradient, m == 0 ? GradientMode::kOverwrite : GradientMode::kAccumulate};
      KernelCall& call = calls_[m];
      call.attributes = &attributes_;
      call.inputs = &input_;
      call.input_count = 1;
      call.links = &link_;
      call.output = input_;
      call.output.data = image();
      call.output_gradient = image();
      call.output_gradient_map = map;
      call.input_gradients = &targets_[m];
      call.saved = take(2 * kChannels);
      call.weight = take(kTaps * kChannels);
      call.bias = take(kChannels * kChannels);
      call.norm = &norm_;
      call.weight_gradient = take(kTaps * kChannels);
      call.bias_gradient = take(kChannels * kChannels);
      const size_t forward = kernels.workspace_bytes(call, false), backward = kernels.workspace_bytes(call, true);
      call.workspace = take(static_cast<int64_t>(std::max(forward, backward) / sizeof(float)) + 1);
    }
  }

  // Of a forward pass and one for all gradients that find nothing of theirs in a cache.
  double seconds(ThreadPool& pool) const {
    double sum = 0;
    for (const auto pass : {kernels_.forward_group, kernels_.backward_group}) {
      for (const float* image : images_) leave_caches(image, kElements);
      const double start = monotonic_seconds();
      pass(pool, calls_, kMembers);
      sum += monotonic_seconds() - start;
    }
    return sum;
  }

 private:
  float* take(int64_t count) {
    memory_.push_back(std::make_unique<Memory>(static_cast<size_t>(count) * sizeof(float)));
    auto* taken = static_cast<float*>(memory_.back()->data());
    std::fill_n(taken, count, 0.01f);
    return taken;
  }
  float* image() {
    images_.push_back(take(kElements));
    return images_.back();
  }

  const OpKernels& kernels_;
  std::vector<std::unique_ptr<Memory>> memory_;
  std::vector<float*> images_;
  Tensor input_;
  InputLink link_;
  NormCall norm_;
  SeparableAttributes attributes_;
  GradientTarget targets_[kMembers];
  KernelCall calls_[kMembers];
};

}  // namespace

// What else the machine does meanwhile falls on all tunings of a round, or on few of the rounds: the median of the
// ratios within rounds counts.
int find_tuning(ThreadPool& pool, const OpKernels& separables, int first, const std::atomic<bool>& cancelled) {
  const Trial trial(separables);
  trial.seconds(pool);  // warms up
  double seconds[kTuningCount][kRounds], ratios[kTuningCount][kRounds];
  for (int round = 0; round < kRounds; ++round) {
    for (int i = first; i < kTuningCount; ++i) {
      if (cancelled) throw Cancelled();
      pool.tune(kTunings[i]);
      seconds[i][round] = trial.seconds(pool);
      ratios[i][round] = seconds[i][round] / seconds[first][round];
    }
  }
  std::sort(seconds[first], seconds[first] + kRounds);
  if (seconds[first][kRounds - 2] > kQuiet * seconds[first][1]) return -1;
  int fastest = first;
  for (int i = first; i < kTuningCount; ++i) {
    std::sort(ratios[i], ratios[i] + kRounds);
    if (ratios[i][kRounds / 2] < ratios[fastest][kRounds / 2]) fastest = i;
  }
  return fastest;
}

}  // namespace dartsmith::cpu
