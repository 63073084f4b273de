#include "binding/handle.h"
#include "binding/readers.h"

namespace dartsmith::binding {
namespace {

GatheredBatch read_gathered(const Device& device, const Napi::Object& value) {
  GatheredBatch batch;
  batch.dataset = from_handle_of<DeviceDataset>(device, value.Get("dataset"))->dataset;
  batch.indices = copy_array<uint32_t>(value.Get("indices"), "indices");
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
  settings.flip = boolean(value, "flip");
  const Napi::Value stream = value.Get("stream");
  if (stream.IsUndefined()) return batch;
  const Napi::Object key = object(stream, "stream");
  settings.random = 1;
  settings.stream.seed = static_cast<uint64_t>(integer(key, "seed"));
  settings.stream.purpose = static_cast<uint32_t>(integer(key, "purpose"));
  settings.stream.epoch = static_cast<uint32_t>(integer(key, "epoch"));
  settings.stream.step = static_cast<uint32_t>(integer(key, "step"));
  return batch;
}

}  // namespace

Batch read_batch(const Device& device, const Napi::Object& value) {
  if (!value.Get("dataset").IsUndefined()) return read_gathered(device, value);
  DirectBatch batch;
  const Napi::Array inputs = array(value.Get("inputs"), "inputs");  // [node, values] pairs
  for (uint32_t i = 0; i < inputs.Length(); ++i) {
    const Napi::Array input = array(inputs.Get(i), "input");
    batch.inputs.emplace(small_integer(input.Get(0u), "input"), copy_array<float>(input.Get(1u), "input"));
  }
  if (!value.Get("labels").IsUndefined()) batch.labels = copy_array<int32_t>(value.Get("labels"), "labels");
  return batch;
}

}  // namespace dartsmith::binding
