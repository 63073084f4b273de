#include "binding/handle.h"
#include "binding/readers.h"

namespace dartsmith::binding {
namespace {

float single(const Napi::Object& value, const char* name) {
  return static_cast<float>(number(value, name));
}

std::vector<float> optional_floats(const Napi::Object& value, const char* name) {
  const Napi::Value array = value.Get(name);
  return array.IsUndefined() ? std::vector<float>() : copy_array<float>(array, name);
}

// [offset, weights] pairs
std::vector<GivenMixing> read_mixing(const Napi::Value& value) {
  std::vector<GivenMixing> mixing;
  if (value.IsUndefined()) return mixing;
  const Napi::Array list = array(value, "mixing");
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Array given = array(list.Get(i), "mixing");
    mixing.push_back({integer(given.Get(0u), "offset"), copy_array<float>(given.Get(1u), "weights")});
  }
  return mixing;
}

// [offset, count] pairs
std::vector<WeightRange> read_ranges(const Napi::Value& value) {
  std::vector<WeightRange> ranges;
  if (value.IsUndefined()) return ranges;
  const Napi::Array list = array(value, "ranges");
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Array range = array(list.Get(i), "ranges");
    ranges.push_back({integer(range.Get(0u), "offset"), integer(range.Get(1u), "count")});
  }
  return ranges;
}

Moved read_moved(const Napi::Object& value) {
  return {boolean(value, "alpha"), read_ranges(value.Get("ranges"))};
}

PassKind read_kind(const Napi::Object& value) {
  const int64_t kind = integer(value, "pass");
  if (kind < 0 || kind >= kPassKindCount) reject(value.Env(), "expected a kind of pass");
  return static_cast<PassKind>(kind);
}

Statistics read_statistics(const Napi::Object& value) {
  const std::string name = text(value, "statistics");
  if (name == "running") return Statistics::kRunning;
  if (name == "batch") return Statistics::kBatch;
  if (name == "moving") return Statistics::kBatchUpdating;
  reject(value.Env(), "expected statistics 'running', 'batch' or 'moving' but got '" + name + "'");
}

PassCommand read_pass(const Device& device, const Napi::Object& value) {
  PassCommand command;
  command.program = from_handle_of<Program>(device, value.Get("program"));
  command.parameters = from_handle_of<DeviceParameters>(device, value.Get("parameters"))->parameters;
  command.batch = read_batch(device, object(value.Get("batch"), "batch"));
  command.kind = read_kind(value);
  command.statistics = read_statistics(value);
  command.mixing = read_mixing(value.Get("mixing"));
  command.read = integers(value.Get("read"), "read");
  command.output_gradient = optional_floats(value, "outputGradient");
  command.ranges = read_ranges(value.Get("ranges"));
  command.added = {read_ranges(value.Get("addedRanges")), boolean(value, "addsAlpha")};
  command.profile = boolean(value, "profile");
  return command;
}

HypergradientCommand read_hypergradient(const Device& device, const Napi::Object& value) {
  HypergradientCommand command;
  command.program = from_handle_of<Program>(device, value.Get("program"));
  command.parameters = from_handle_of<DeviceParameters>(device, value.Get("parameters"))->parameters;
  command.train = read_batch(device, object(value.Get("train"), "train"));
  command.validation = read_batch(device, object(value.Get("validation"), "validation"));
  command.mixing = read_mixing(value.Get("mixing"));
  command.settings.learning_rate = single(value, "learningRate");
  command.settings.momentum = single(value, "momentum");
  command.settings.weight_decay = single(value, "weightDecay");
  command.settings.radius = single(value, "radius");
  command.settings.max_norm = single(value, "maxNorm");
  command.settings.unclamped = boolean(value, "unclamped");
  command.held = read_ranges(value.Get("held"));
  const Napi::Array perturbed = array(value.Get("perturbed"), "perturbed");
  for (uint32_t i = 0; i < perturbed.Length(); ++i) {
    command.perturbed.push_back(read_batch(device, object(perturbed.Get(i), "perturbed")));
  }
  return command;
}

SgdCommand read_sgd(const Device& device, const Napi::Object& value) {
  const auto held = from_handle_of<DeviceParameters>(device, value.Get("parameters"));
  SgdCommand command;
  command.device = held->device;
  command.parameters = held->parameters;
  command.moved = read_moved(value);
  command.in_second_moments = boolean(value, "inSecondMoments");
  command.settings.learning_rate = single(value, "learningRate");
  command.settings.momentum = single(value, "momentum");
  command.settings.weight_decay = single(value, "weightDecay");
  command.settings.max_norm = single(value, "maxNorm");
  command.settings.nesterov = boolean(value, "nesterov");
  return command;
}

AdamCommand read_adam(const Device& device, const Napi::Object& value) {
  const auto held = from_handle_of<DeviceParameters>(device, value.Get("parameters"));
  const Napi::Array betas = array(value.Get("betas"), "betas");
  AdamCommand command;
  command.device = held->device;
  command.parameters = held->parameters;
  command.moved = read_moved(value);
  command.settings.learning_rate = number(value, "learningRate");
  command.settings.beta1 = number(betas.Get(0u), "betas");
  command.settings.beta2 = number(betas.Get(1u), "betas");
  command.settings.epsilon = number(value, "epsilon");
  command.settings.weight_decay = number(value, "weightDecay");
  command.settings.max_norm = number(value, "maxNorm");
  command.settings.step = integer(value, "step");
  return command;
}

ClipCommand read_clip(const Device& device, const Napi::Object& value) {
  const auto held = from_handle_of<DeviceParameters>(device, value.Get("parameters"));
  ClipCommand command;
  command.device = held->device;
  command.parameters = held->parameters;
  command.parts = {read_ranges(value.Get("ranges")), boolean(value, "alpha")};
  command.settings.max_norm = number(value, "maxNorm");
  return command;
}

AverageCommand read_average(const Device& device, const Napi::Object& value) {
  const auto held = from_handle_of<DeviceParameters>(device, value.Get("parameters"));
  AverageCommand command;
  command.device = held->device;
  command.parameters = held->parameters;
  command.averages = from_handle_of<DeviceParameters>(device, value.Get("averages"))->parameters;
  command.ranges = read_ranges(value.Get("ranges"));
  command.buffers = boolean(value, "buffers");
  command.settings.decay = single(value, "decay");
  return command;
}

CopyCommand read_copy(const Device& device, const Napi::Object& value) {
  const auto held = from_handle_of<DeviceParameters>(device, value.Get("parameters"));
  CopyCommand command;
  command.device = held->device;
  command.parameters = held->parameters;
  command.target = from_handle_of<DeviceParameters>(device, value.Get("target"))->parameters;
  const Napi::Array parts = array(value.Get("parts"), "parts");  // [arena, from, to, count]
  for (uint32_t i = 0; i < parts.Length(); ++i) {
    const Napi::Array part = array(parts.Get(i), "parts");
    command.parts.push_back({read_arena(part.Get(0u)), integer(part.Get(1u), "from"), integer(part.Get(2u), "to"),
                             integer(part.Get(3u), "count")});
  }
  return command;
}

PenaltyForm read_form(const Napi::Object& value) {
  const std::string form = text(value, "penalty");
  if (form == "zeroOneL2") return PenaltyForm::kZeroOneL2;
  if (form == "zeroOneL1") return PenaltyForm::kZeroOneL1;
  if (form == "l1") return PenaltyForm::kL1;
  if (form == "beta") return PenaltyForm::kBeta;
  reject(value.Env(), "expected a known penalty but got '" + form + "'");
}

PenaltyCommand read_penalty(const Device& device, const Napi::Object& value) {
  const auto held = from_handle_of<DeviceParameters>(device, value.Get("parameters"));
  PenaltyCommand command;
  command.device = held->device;
  command.parameters = held->parameters;
  command.form = read_form(value);
  command.settings.weight = number(value, "weight");
  command.settings.share = number(value, "share");
  const MixingForm activation = boolean(value, "sigmoid") ? MixingForm::kSigmoid : MixingForm::kSoftmax;
  const Napi::Array rows = array(value.Get("rows"), "rows");  // [offset, length] pairs
  for (uint32_t i = 0; i < rows.Length(); ++i) {
    const Napi::Array row = array(rows.Get(i), "rows");
    command.rows.push_back({integer(row.Get(0u), "offset"), integer(row.Get(1u), "length"), activation});
  }
  command.counted = copy_array<uint8_t>(value.Get("counted"), "counted");
  return command;
}

}  // namespace

Command read_command(const Device& device, const Napi::Object& value) {
  const std::string kind = text(value, "kind");
  if (kind == "pass") return read_pass(device, value);
  if (kind == "hypergradient") return read_hypergradient(device, value);
  if (kind == "sgd") return read_sgd(device, value);
  if (kind == "adam") return read_adam(device, value);
  if (kind == "clip") return read_clip(device, value);
  if (kind == "average") return read_average(device, value);
  if (kind == "penalty") return read_penalty(device, value);
  if (kind == "copy") return read_copy(device, value);
  reject(value.Env(), "expected a known command but got '" + kind + "'");
}

}  // namespace dartsmith::binding
