// A graph compiled for one batch size: plans made on first use, run against parameters and a batch.
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <variant>
#include <vector>

#include "engine/dataset.h"
#include "engine/device.h"
#include "engine/graph.h"
#include "engine/parameters.h"
#include "engine/plan.h"
#include "engine/profile.h"

namespace dartsmith {

struct BatchBase {
  DropoutSettings dropout;
  std::map<int, std::vector<float>> masks;  // by number, in place of those that would be drawn
};

// Images of a dataset, augmented; they fill the labels and the one input of the graph that is not given.
struct GatheredBatch : BatchBase {
  std::shared_ptr<Dataset> dataset;
  std::vector<uint32_t> indices;
  std::vector<float> table;  // [channels, 256]
  GatherSettings settings{};
  std::map<int, std::vector<float>> inputs;  // the others, as of a direct batch
};

// Tensors given directly: by input node, [batch, ...shape]; of integers their bits. Of sequences the first may be as
// many times as there are, not all that the program has room for.
struct DirectBatch : BatchBase {
  std::map<int, std::vector<float>> inputs;
  std::vector<int32_t> labels;
  ParameterPlace hidden_from, hidden_to;  // in the arena of states; size 0 for zeros and for nowhere
  std::map<int, Buffer> staged;           // inputs that are on their way to the device already
};

using Batch = std::variant<GatheredBatch, DirectBatch>;

// Mixing weights of a row of the alpha arena, given from outside instead of following from alpha.
struct GivenMixing {
  int64_t offset = 0;
  std::vector<float> weights;
};

// The same, and where the device finds them.
struct PlacedMixing {
  const GivenMixing* given = nullptr;
  const float* address = nullptr;
};

// Where the device finds what a batch is made of; the first three of a gathered one.
struct BatchAddresses {
  const uint32_t* indices = nullptr;  // [batch]
  const float* table = nullptr;       // [channels, 256]
  const GatherSettings* settings = nullptr;
  const DropoutSettings* dropout = nullptr;
};

struct PassRequest {
  PassKind kind = PassKind::kEvaluate;
  Statistics statistics = Statistics::kBatchUpdating;
  const Batch* batch = nullptr;
  BatchAddresses addresses;
  LossResult* loss = nullptr;  // where the device leaves it
  std::vector<PlacedMixing> mixing;
  std::vector<WeightRange> ranges;     // of the weights whose gradients are wanted; all without one
  std::vector<int> read;               // nodes whose outputs are wanted
  std::vector<float> output_gradient;  // kVjp of a graph whose output is no loss
  bool profile = false;
  bool recording = false;  // nothing runs yet, so nothing can be waited for
};

struct PassResult {
  std::map<int, std::vector<float>> outputs;
  std::map<int, std::vector<float>> input_gradients;  // kVjp
  std::vector<KernelProfile> profile;                 // where asked for, in the order of running
};

// Which plan of a program.
struct PlanKey {
  PassKind kind;
  bool fused;
  bool sliced;
  std::vector<WeightRange> ranges;

  auto operator<=>(const PlanKey&) const = default;
};

class Program {
 public:
  // Throws Error where the graph is malformed.
  // Without `fuse` every node runs by itself: the oracle for the fused kernels.
  // `precision` is that of the activations that fused kernels store.
  // `length`: times of the longest sequence, `columns` samples each; 0 where samples are no times of one.
  Program(std::shared_ptr<Device> device, Graph graph, int64_t columns, int64_t length, bool fuse, Precision precision);

  // Checks a batch against the graph: throws Error naming what does not fit.
  void check(const Batch& batch) const;

  // Queues a pass; what the result holds has been waited for. Gradients are left in `parameters`. Throws Cancelled
  // between two kernels once `cancelled`.
  PassResult run(const PassRequest& request, const Parameters& parameters, const std::atomic<bool>& cancelled);

  // Of a pass that is not cut into slices. On the device's thread, since it plans where nothing is planned yet.
  int64_t arena_bytes(PassKind kind) { return plan({kind, fuse_, false, {}}).arena_bytes; }
  const Graph& graph() const { return graph_; }
  int64_t batch() const { return batch_; }
  // Of a batch: the program's, or as many as a shorter sequence has.
  int64_t samples(const Batch& batch) const;
  int64_t samples(const DirectBatch& batch) const;
  // Throws Error where statistics cannot be those of a batch.
  void check(Statistics statistics) const;
  Device& device() const { return *device_; }
  const std::shared_ptr<Device>& shared_device() const { return device_; }
  // Tells it from all others that ever were.
  uint64_t serial() const { return serial_; }

 private:
  void check(const GatheredBatch& batch) const;
  void check(const DirectBatch& batch) const;
  void check_inputs(const std::map<int, std::vector<float>>& inputs, int64_t samples) const;
  void check_integers(int id, const std::vector<float>& bits) const;
  void check_masks(const BatchBase& batch) const;
  void check_hidden(const ParameterPlace& place) const;
  void check_sequences() const;
  const Plan& plan_that_fits(const PlanKey& key);
  bool keep_less(const PlanKey& key);
  void keep(Recompute recompute);
  OutOfMemory refusal(const PlanKey& key, const OutOfMemory& error);
  const Plan& plan(const PlanKey& key);
  PlanKey key_for(const PassRequest& request);
  bool slices(const PassRequest& request) const;

  std::shared_ptr<Device> device_;
  Graph graph_;
  int64_t batch_;
  int64_t columns_ = 0;  // of sequences; 0 where there are none
  bool fuse_;
  Precision precision_;
  Recompute recompute_ = Recompute::kNone;  // more where memory ends
  bool reads_labels_ = false;
  bool always_draws_ = false;        // noise that every pass wants
  int64_t label_limit_ = INT32_MAX;  // labels must be below it: the fewest classes of any loss
  std::vector<MixingRow> rows_;
  Buffer mixing_;            // float [alpha elements]
  Buffer mixing_gradients_;  // double [alpha elements]
  Buffer labels_;            // int32 [2, batch]: own ones, those of mixed images' partners
  const uint64_t serial_ = next_serial();
  std::map<PlanKey, Plan> plans_;

  friend class Executor;
};

}  // namespace dartsmith
