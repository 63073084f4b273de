#include <cstring>

#include "binding/handle.h"
#include "binding/readers.h"

namespace dartsmith::binding {
namespace {

RandomStream read_stream(const Napi::Object& key) {
  return {static_cast<uint64_t>(integer(key, "seed")), static_cast<uint32_t>(integer(key, "purpose")),
          static_cast<uint32_t>(integer(key, "epoch")), static_cast<uint32_t>(integer(key, "step"))};
}

DropoutSettings read_dropout(const Napi::Value& value) {
  if (value.IsUndefined()) return {};
  const Napi::Object dropout = object(value, "dropout");
  const auto factor = static_cast<float>(number(dropout, "pathFactor"));
  if (!(factor >= 0 && factor <= 1)) reject(value.Env(), "expected a path factor from 0 to 1");
  const auto noise = static_cast<float>(number(dropout, "noiseScale"));
  if (!std::isfinite(noise)) reject(value.Env(), "expected a finite noise scale");
  return {read_stream(dropout), factor, noise, 1, boolean(dropout, "drops")};
}

// [number, values] pairs
std::map<int, std::vector<float>> read_masks(const Napi::Value& value) {
  std::map<int, std::vector<float>> masks;
  if (value.IsUndefined()) return masks;
  const Napi::Array list = array(object(value, "dropout").Get("masks"), "masks");
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Array mask = array(list.Get(i), "mask");
    masks.emplace(small_integer(mask.Get(0u), "mask"), copy_array<float>(mask.Get(1u), "mask"));
  }
  return masks;
}

// Integers as the bits that kernels read them from.
std::vector<float> read_input(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) {
    return copy_array<float>(value, "input");
  }
  const std::vector<int32_t> integers = copy_array<int32_t>(value, "input");
  std::vector<float> bits(integers.size());
  std::memcpy(bits.data(), integers.data(), bits.size() * sizeof(float));
  return bits;
}

// [offset, size]
ParameterPlace read_hidden(const Napi::Value& value) {
  if (value.IsUndefined()) return {};
  const Napi::Array place = array(value, "hidden");
  return {integer(place.Get(0u), "offset"), integer(place.Get(1u), "size")};
}

// [node, values] pairs
std::map<int, std::vector<float>> read_inputs(const Napi::Value& value) {
  std::map<int, std::vector<float>> inputs;
  const Napi::Array list = array(value, "inputs");
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Array input = array(list.Get(i), "input");
    inputs.emplace(small_integer(input.Get(0u), "input"), read_input(input.Get(1u)));
  }
  return inputs;
}

GatheredBatch read_gathered(const Device& device, const Napi::Object& value) {
  GatheredBatch batch;
  batch.dataset = from_handle_of<DeviceDataset>(device, value.Get("dataset"))->dataset;
  batch.indices = copy_array<uint32_t>(value.Get("indices"), "indices");
  if (!value.Get("inputs").IsUndefined()) batch.inputs = read_inputs(value.Get("inputs"));
  batch.table = copy_array<float>(value.Get("table"), "table");
  if (static_cast<int64_t>(batch.table.size()) != batch.dataset->shape.channels * 256) {
    reject(value.Env(), "expected a normalisation table of 256 values a channel");
  }
  GatherSettings& settings = batch.settings;
  settings.pad = small_integer(value.Get("pad"), "pad");
  settings.cutout = small_integer(value.Get("cutout"), "cutout");
  if (settings.pad < 0 || settings.pad > 4096 || settings.cutout < 0) {
    reject(value.Env(), "expected pad and cutout from 0");
  }
  const double chance = number(value, "cutoutChance");
  if (!(chance >= 0 && chance <= kCertain)) reject(value.Env(), "expected a chance of cutout from 0 to 2^31");
  settings.cutout_chance = static_cast<uint32_t>(chance);
  settings.flip = boolean(value, "flip");
  settings.share = static_cast<float>(number(value, "share"));
  if (!(settings.share >= 0 && settings.share <= 1)) reject(value.Env(), "expected a share from 0 to 1");
  const Napi::Value stream = value.Get("stream");
  if (stream.IsUndefined()) return batch;
  const Napi::Object key = object(stream, "stream");
  settings.random = 1;
  settings.stream = read_stream(key);
  return batch;
}

DirectBatch read_direct(const Napi::Object& value) {
  DirectBatch batch;
  batch.inputs = read_inputs(value.Get("inputs"));
  batch.hidden_from = read_hidden(value.Get("hiddenFrom"));
  batch.hidden_to = read_hidden(value.Get("hiddenTo"));
  if (!value.Get("labels").IsUndefined()) batch.labels = copy_array<int32_t>(value.Get("labels"), "labels");
  return batch;
}

}  // namespace

Batch read_batch(const Device& device, const Napi::Object& value) {
  Batch batch = value.Get("dataset").IsUndefined() ? Batch(read_direct(value)) : Batch(read_gathered(device, value));
  std::visit(
      [&](BatchBase& base) {
        base.dropout = read_dropout(value.Get("dropout"));
        base.masks = read_masks(value.Get("dropout"));
      },
      batch);
  return batch;
}

}  // namespace dartsmith::binding
