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
  HypergradientSettings settings{};
};

struct SgdCommand {
  std::shared_ptr<Device> device;
  std::shared_ptr<Parameters> parameters;
  SgdSettings settings{};
};

struct AdamCommand {
  std::shared_ptr<Device> device;
  std::shared_ptr<Parameters> parameters;
  AdamSettings settings{};
};

// Moves averages of weights and buffers towards the parameters' own.
struct AverageCommand {
  std::shared_ptr<Device> device;
  std::shared_ptr<Parameters> parameters;
  std::shared_ptr<Parameters> averages;
  AverageSettings settings{};
};

// Adds to alpha's gradient that of a penalty on alpha or on the mixing weights.
struct PenaltyCommand {
  std::shared_ptr<Device> device;
  std::shared_ptr<Parameters> parameters;
  PenaltyForm form = PenaltyForm::kZeroOneL2;
  PenaltySettings settings{};
  std::vector<MixingRow> rows;
  std::vector<uint8_t> counted;  // by place in the alpha arena
};

using Command =
    std::variant<PassCommand, HypergradientCommand, SgdCommand, AdamCommand, AverageCommand, PenaltyCommand>;

struct Outcome {
  std::optional<LossResult> loss;
  std::optional<double> gradient_norm;
  std::optional<double> penalty;
  PassResult pass;
};

// Throws Error where a command does not fit its program; nothing has run then.
void check(const Command& command);

// Sends the batches of checked commands on their way while earlier work still runs, where the device gains by that.
// From any thread.
void stage(const Device& device, std::vector<Command>& commands);

// Runs checked commands one after another; outcomes in the same order. A run that comes again is recorded and replayed
// where the backend can. Throws Cancelled; weights are whole then, gradients are not. After any exception the backend
// has to be told to abandon() what is still queued.
std::vector<Outcome> execute(Device& device, const std::vector<Command>& commands, const std::atomic<bool>& cancelled);

}  // namespace dartsmith
