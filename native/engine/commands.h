// The commands of src/backend/device.ts: what one crossing from JavaScript runs, one after another.
#pragma once
#include <atomic>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "engine/program.h"

namespace dartsmith {

struct PassCommand {
  std::shared_ptr<Program> program;
  std::shared_ptr<Parameters> parameters;
  Batch batch;
  PassKind kind = PassKind::kEvaluate;
  Statistics statistics = Statistics::kBatchUpdating;
  std::vector<GivenMixing> mixing;
  std::vector<int> read;
  std::vector<float> output_gradient;
  bool profile = false;
};

struct HypergradientCommand {
  std::shared_ptr<Program> program;
  std::shared_ptr<Parameters> parameters;
  Batch train;
  Batch validation;
  float learning_rate = 0;
  float momentum = 0;
  float weight_decay = 0;
  float radius = 0;
};

struct SgdCommand {
  std::shared_ptr<Device> device;
  std::shared_ptr<Parameters> parameters;
  float learning_rate = 0;
  float momentum = 0;
  float weight_decay = 0;
  float max_norm = 0;
};

struct AdamCommand {
  std::shared_ptr<Device> device;
  std::shared_ptr<Parameters> parameters;
  double learning_rate = 0;
  double beta1 = 0;
  double beta2 = 0;
  double epsilon = 0;
  double weight_decay = 0;
  int64_t step = 0;
};

using Command = std::variant<PassCommand, HypergradientCommand, SgdCommand, AdamCommand>;

struct Outcome {
  std::optional<LossResult> loss;
  std::optional<double> gradient_norm;
  PassResult pass;
};

// Throws Error where a command does not fit its program; nothing has run then.
void check(const Command& command);

// Runs a checked command. Throws Cancelled; weights are whole then, gradients are not.
Outcome execute(const Command& command, const std::atomic<bool>& cancelled);

}  // namespace dartsmith
