// The commands of src/backend/device.ts: what one crossing from JavaScript runs, one after another.
#pragma once
#include <atomic>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "engine/program.h"

namespace dartsmith {

// What an optimiser moves: parts of the weights or of alpha, with their gradients and their moments.
struct Moved {
  bool alpha = false;
  std::vector<WeightRange> ranges;
};

// Gradients of parts of the weights and, where told, of alpha.
struct GradientParts {
  std::vector<WeightRange> ranges;
  bool alpha = false;
};

struct PassCommand {
  std::shared_ptr<Program> program;
  std::shared_ptr<Parameters> parameters;
  Batch batch;
  PassKind kind = PassKind::kEvaluate;
  Statistics statistics = Statistics::kBatchUpdating;
  std::vector<GivenMixing> mixing;
  std::vector<int> read;
  std::vector<float> output_gradient;
  std::vector<WeightRange> ranges;  // of the weights whose gradients are wanted; all without one
  GradientParts added;              // whose gradients are added to those that are there
  bool profile = false;
};

struct HypergradientCommand {
  std::shared_ptr<Program> program;
  std::shared_ptr<Parameters> parameters;
  Batch train;
  Batch validation;
  std::vector<Batch> perturbed;     // the training batch as the passes at w + εv and w - εv see it; the same without
  std::vector<WeightRange> held;    // weights that the unrolled step leaves as they are
  std::vector<GivenMixing> mixing;  // of every pass
  HypergradientSettings settings{};
};

struct SgdCommand {
  std::shared_ptr<Device> device;
  std::shared_ptr<Parameters> parameters;
  Moved moved;
  bool in_second_moments = false;  // where the momentum lies
  SgdSettings settings{};
};

struct AdamCommand {
  std::shared_ptr<Device> device;
  std::shared_ptr<Parameters> parameters;
  Moved moved;
  AdamSettings settings{};
};

// Scales gradients so that the norm of all together is at most the largest one.
struct ClipCommand {
  std::shared_ptr<Device> device;
  std::shared_ptr<Parameters> parameters;
  GradientParts parts;
  ClipSettings settings{};
};

// Moves averages of parts of the weights, or of all and of buffers, towards the parameters' own.
struct AverageCommand {
  std::shared_ptr<Device> device;
  std::shared_ptr<Parameters> parameters;
  std::shared_ptr<Parameters> averages;
  std::vector<WeightRange> ranges;
  bool buffers = true;
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

// Part of an arena that is copied to another place of the same arena, of other parameters mostly.
struct CopiedPart {
  Arena arena = Arena::kWeights;
  int64_t from = 0;
  int64_t to = 0;
  int64_t count = 0;
};

struct CopyCommand {
  std::shared_ptr<Device> device;
  std::shared_ptr<Parameters> parameters;  // that are copied
  std::shared_ptr<Parameters> target;
  std::vector<CopiedPart> parts;
};

using Command = std::variant<PassCommand, HypergradientCommand, SgdCommand, AdamCommand, ClipCommand, AverageCommand,
                             PenaltyCommand, CopyCommand>;

struct Outcome {
  std::optional<LossResult> loss;
  std::vector<double> terms;  // of a sum of losses, without their weights
  std::optional<double> gradient_norm;
  std::optional<double> direction_norm;
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
