#include "binding/device.h"

#include <algorithm>
#include <array>
#include <utility>

#include "binding/guarded.h"
#include "binding/handle.h"
#include "binding/job.h"
#include "binding/readers.h"
#include "cpu/backend.h"
#include "cuda/backend.h"
#include "engine/error.h"

namespace dartsmith::binding {
namespace {

Napi::Value instruction_sets(const Napi::CallbackInfo& info) {
  Napi::Array names = Napi::Array::New(info.Env());
  for (const std::string& name : cpu::instruction_sets()) names.Set(names.Length(), name);
  return names;
}

// What there is of CUDA; in the stand-in for it, of that.
Napi::Value survey_cuda(const Napi::CallbackInfo& info) {
  const cuda::Survey survey = cuda::survey();
  Napi::Object result = Napi::Object::New(info.Env());
  Napi::Array devices = Napi::Array::New(info.Env());
  for (const std::string& device : survey.devices) devices.Set(devices.Length(), device);
  result.Set("built", cuda::built());
  result.Set("devices", devices);
  result.Set("trouble", survey.trouble);
  result.Set("runtime", survey.runtime);
  return result;
}

size_t memory_limit(const Napi::Object& options) {
  const int64_t limit = integer(options, "memoryLimitBytes");
  if (limit < 0) reject(options.Env(), "expected a memory limit from 0");
  return static_cast<size_t>(limit);
}

std::shared_ptr<Backend> open_cpu(const Napi::Object& options) {
  const int threads = small_integer(options.Get("threads"), "threads");
  if (threads < 1 || threads > 1024) reject(options.Env(), "expected 1 to 1024 threads");
  return cpu::open_backend(threads, text(options, "instructionSet"), memory_limit(options));
}

std::shared_ptr<Backend> open_cuda(const Napi::Object& options) {
  return cuda::open_backend(small_integer(options.Get("index"), "index"), memory_limit(options));
}

Napi::Value open_device(const Napi::CallbackInfo& info) {
  return new_handle(info.Env(), std::make_shared<Device>(open_backend(object(info[0], "options"))), 0);
}

Napi::Value describe_device(const Napi::CallbackInfo& info) {
  const auto device = from_handle<Device>(info[0]);
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("description", device->backend->description());
  result.Set("arenaBytes", static_cast<double>(device->arena_bytes()));
  result.Set("recordedKernels", static_cast<double>(device->recorded_kernels));
  return result;
}

// Its programs, parameters and datasets are refused from now on, whoever still holds them.
Napi::Value dispose_device(const Napi::CallbackInfo& info) {
  if (const auto& device = held_by<Device>(info[0])->value) device->closed = true;
  return dispose<Device>(info);
}

// A job, since clearing the arenas of a large network takes long.
Napi::Value create_parameters(const Napi::CallbackInfo& info) {
  const auto device = from_handle<Device>(info[0]);
  constexpr size_t kPlaces[] = {1, 2, 3, 5};
  std::array<int64_t, 4> elements;
  for (size_t i = 0; i < 4; ++i) {
    elements[i] = integer(info[kPlaces[i]], "elements");
    if (elements[i] < 0 || elements[i] > (int64_t{1} << 36))
      reject(info.Env(), "expected a sensible number of elements");
  }
  const bool second_moments = info[4].ToBoolean();
  return Job::start(info.Env(), device, [device, elements, second_moments](const std::atomic<bool>&) -> Job::Settle {
    auto parameters = std::make_shared<Parameters>(device->backend, elements[0], elements[1], elements[2],
                                                   second_moments, elements[3]);
    return [device, parameters](Napi::Env env) -> Napi::Value {
      const auto bytes = static_cast<int64_t>(parameters->bytes());
      return new_handle(env, std::make_shared<DeviceParameters>(DeviceParameters{device, parameters}), bytes);
    };
  });
}

// `count` values from `offset` on; all of the arena where neither is given.
Napi::Value read_parameters(const Napi::CallbackInfo& info) {
  const auto held = from_handle<DeviceParameters>(info[0]);
  const Arena arena = read_arena(info[1]);
  const int64_t elements = held->parameters->elements(arena);
  const int64_t offset = info[2].IsUndefined() ? 0 : integer(info[2], "offset");
  const int64_t count = info[3].IsUndefined() ? elements - offset : integer(info[3], "count");
  if (offset < 0 || count < 0 || offset > elements - count) {
    reject(info.Env(), "expected a part of the arena");
  }
  return Job::start(info.Env(), held->device, [held, arena, offset, count](const std::atomic<bool>&) -> Job::Settle {
    auto values = std::make_shared<std::vector<float>>(count);
    held->device->backend->download(values->data(), held->parameters->data(arena) + offset, count * sizeof(float));
    return [values](Napi::Env env) { return hand_over(env, std::move(*values)); };
  });
}

Napi::Value write_parameters(const Napi::CallbackInfo& info) {
  const auto held = from_handle<DeviceParameters>(info[0]);
  const Arena arena = read_arena(info[1]);
  const int64_t offset = integer(info[2], "offset");
  auto values = std::make_shared<std::vector<float>>(copy_array<float>(info[3], "values"));
  if (offset < 0 || offset + static_cast<int64_t>(values->size()) > held->parameters->elements(arena)) {
    reject(info.Env(), "expected values within the arena");
  }
  return Job::start(info.Env(), held->device, [held, arena, offset, values](const std::atomic<bool>&) -> Job::Settle {
    held->parameters->write(arena, offset, *values);
    return [](Napi::Env env) { return env.Undefined(); };
  });
}

// Room for images; write_images fills it.
Napi::Value create_dataset(const Napi::CallbackInfo& info) {
  const auto device = from_handle<Device>(info[0]);
  const int64_t count = integer(info[1], "count");
  const Shape shape{integer(info[2], "height"), integer(info[3], "width"), integer(info[4], "channels")};
  constexpr int64_t kMaxSide = 65536, kMaxBytes = int64_t{1} << 46;
  for (int64_t size : {shape.height, shape.width, shape.channels}) {
    if (size < 1 || size > kMaxSide) reject(info.Env(), "expected image sizes from 1 to 65536");
  }
  if (count < 1 || count > kMaxBytes / shape.elements()) reject(info.Env(), "expected a sensible number of images");
  auto dataset = std::make_shared<Dataset>(device->backend, count, shape);
  const auto bytes = static_cast<int64_t>(dataset->images.bytes() + dataset->labels.bytes());
  return new_handle(info.Env(), std::make_shared<DeviceDataset>(DeviceDataset{device, std::move(dataset)}), bytes);
}

// Puts images and their labels at positions from `first` on. Queued behind the commands so far, so that a recorded run
// finds other images where it was recorded.
Napi::Value write_images(const Napi::CallbackInfo& info) {
  const auto held = from_handle<DeviceDataset>(info[0]);
  const int64_t first = integer(info[1], "first");
  auto images = std::make_shared<std::vector<uint8_t>>(copy_array<uint8_t>(info[2], "images"));
  auto labels = std::make_shared<std::vector<int32_t>>(copy_array<int32_t>(info[3], "labels"));
  Dataset& dataset = *held->dataset;
  const auto count = static_cast<int64_t>(labels->size());
  if (first < 0 || count < 1 || first > dataset.count - count ||
      static_cast<int64_t>(images->size()) != count * dataset.shape.elements()) {
    reject(info.Env(), "expected images of the dataset's size with a label each, at positions that it has");
  }
  if (*std::ranges::min_element(*labels) < 0) reject(info.Env(), "expected labels from 0");
  // Commands that come later are checked against it; earlier ones have been.
  dataset.classes = std::max(first == 0 ? 0 : dataset.classes, int64_t{*std::ranges::max_element(*labels)} + 1);
  return Job::start(info.Env(), held->device, [held, first, images, labels](const std::atomic<bool>&) -> Job::Settle {
    held->dataset->write(*held->device->backend, first, *images, *labels);
    return [](Napi::Env env) { return env.Undefined(); };
  });
}

Precision read_precision(const Napi::Value& value) {
  const int64_t index = integer(value, "precision");
  if (index < 0 || index > static_cast<int64_t>(Precision::kBf16)) reject(value.Env(), "expected a precision");
  return static_cast<Precision>(index);
}

Napi::Value compile(const Napi::CallbackInfo& info) {
  const auto device = from_handle<Device>(info[0]);
  Graph graph = read_graph(object(info[1], "graph"));
  auto program = std::make_shared<Program>(device, std::move(graph), integer(info[2], "batchSize"),
                                           integer(info[3], "length"), info[4].ToBoolean(), read_precision(info[5]));
  return new_handle(info.Env(), std::move(program), 0);
}

Napi::Value measure_peak(const Napi::CallbackInfo& info) {
  const auto device = from_handle<Device>(info[0]);
  return Job::start(info.Env(), device, [device = device.get()](const std::atomic<bool>&) -> Job::Settle {
    const Peak peak = device->backend->sweeps().measure_peak(device->backend->stream());
    return [peak](Napi::Env env) -> Napi::Value {
      Napi::Object result = Napi::Object::New(env);
      result.Set("flopsPerSecond", peak.flops_per_second);
      result.Set("bytesPerSecond", peak.bytes_per_second);
      return result;
    };
  });
}

Napi::Value tunings(const Napi::CallbackInfo& info) {
  Napi::Array names = Napi::Array::New(info.Env());
  for (const std::string& name : from_handle<Device>(info[0])->backend->tunings()) names.Set(names.Length(), name);
  return names;
}

// A job, since kernels may be running.
Napi::Value tune(const Napi::CallbackInfo& info) {
  const auto device = from_handle<Device>(info[0]);
  const int tuning = small_integer(info[1], "tuning");
  if (tuning < 0 || static_cast<size_t>(tuning) >= device->backend->tunings().size()) {
    reject(info.Env(), "expected the index of a tuning");
  }
  return Job::start(info.Env(), device, [device = device.get(), tuning](const std::atomic<bool>&) -> Job::Settle {
    device->backend->tune(static_cast<size_t>(tuning));
    return [](Napi::Env env) -> Napi::Value { return env.Undefined(); };
  });
}

Napi::Value find_tuning(const Napi::CallbackInfo& info) {
  const auto device = from_handle<Device>(info[0]);
  if (device->backend->tunings().empty()) reject(info.Env(), "expected a device with tunings");
  return Job::start(info.Env(), device, [device = device.get()](const std::atomic<bool>& cancelled) -> Job::Settle {
    const int found = device->backend->find_tuning(cancelled);
    return [found](Napi::Env env) -> Napi::Value { return Napi::Number::New(env, found); };
  });
}

// A job, since it plans what was not planned yet.
Napi::Value program_memory(const Napi::CallbackInfo& info) {
  const auto program = from_handle<Program>(info[0]);
  return Job::start(info.Env(), program->shared_device(), [program](const std::atomic<bool>&) -> Job::Settle {
    std::array<int64_t, kPassKindCount> bytes;
    for (int kind = 0; kind < kPassKindCount; ++kind) bytes[kind] = program->arena_bytes(static_cast<PassKind>(kind));
    return [bytes](Napi::Env env) -> Napi::Value {
      Napi::Array result = Napi::Array::New(env);
      for (int kind = 0; kind < kPassKindCount; ++kind) result.Set(kind, static_cast<double>(bytes[kind]));
      return result;
    };
  });
}

Napi::Value tensors(Napi::Env env, std::map<int, std::vector<float>>&& values) {
  Napi::Array result = Napi::Array::New(env);
  for (auto& [node, data] : values) {
    Napi::Array entry = Napi::Array::New(env, 2);
    entry.Set(0u, node);
    entry.Set(1u, hand_over(env, std::move(data)));
    result.Set(result.Length(), entry);
  }
  return result;
}

Napi::Value profile_value(Napi::Env env, const std::vector<KernelProfile>& profile) {
  Napi::Array result = Napi::Array::New(env, profile.size());
  for (uint32_t i = 0; i < profile.size(); ++i) {
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("kernel", std::string(op_name(profile[i].op)) + (profile[i].backward ? " backward" : " forward"));
    entry.Set("seconds", profile[i].seconds);
    entry.Set("flops", static_cast<double>(profile[i].flops));
    entry.Set("productFlops", static_cast<double>(profile[i].product_flops));
    entry.Set("bytes", static_cast<double>(profile[i].bytes));
    entry.Set("workspaceBytes", static_cast<double>(profile[i].workspace_bytes));
    result.Set(i, entry);
  }
  return result;
}

Napi::Value outcome_value(Napi::Env env, Outcome&& outcome, Recompute recompute) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("recompute", static_cast<double>(recompute));
  if (outcome.loss) {
    result.Set("loss", outcome.loss->loss);
    result.Set("correct", static_cast<double>(outcome.loss->correct));
  }
  if (!outcome.terms.empty()) {
    Napi::Array terms = Napi::Array::New(env, outcome.terms.size());
    for (uint32_t i = 0; i < outcome.terms.size(); ++i) terms.Set(i, outcome.terms[i]);
    result.Set("terms", terms);
  }
  if (outcome.gradient_norm) result.Set("gradientNorm", *outcome.gradient_norm);
  if (outcome.direction_norm) result.Set("directionNorm", *outcome.direction_norm);
  if (outcome.penalty) result.Set("penalty", *outcome.penalty);
  result.Set("outputs", tensors(env, std::move(outcome.pass.outputs)));
  result.Set("inputGradients", tensors(env, std::move(outcome.pass.input_gradients)));
  if (!outcome.pass.profile.empty()) result.Set("profile", profile_value(env, outcome.pass.profile));
  return result;
}

Napi::Value execute_commands(const Napi::CallbackInfo& info) {
  const auto device = from_handle<Device>(info[0]);
  const Napi::Array list = array(info[1], "commands");
  auto commands = std::make_shared<std::vector<Command>>();
  for (uint32_t i = 0; i < list.Length(); ++i) {
    commands->push_back(read_command(*device, object(list.Get(i), "command")));
    check(commands->back());
  }
  stage(*device, *commands);
  Device* runner = device.get();
  return Job::start(info.Env(), device, [runner, commands](const std::atomic<bool>& cancelled) -> Job::Settle {
    auto outcomes = std::make_shared<std::vector<Outcome>>(execute(*runner, *commands, cancelled));
    const Recompute recompute = runner->recompute;
    return [outcomes, recompute](Napi::Env env) -> Napi::Value {
      Napi::Array result = Napi::Array::New(env, outcomes->size());
      for (uint32_t i = 0; i < outcomes->size(); ++i) {
        result.Set(i, outcome_value(env, std::move((*outcomes)[i]), recompute));
      }
      return result;
    };
  });
}

}  // namespace

std::shared_ptr<Backend> open_backend(const Napi::Object& options) {
  const std::string name = text(options, "backend");
  if (name == "cpu") return open_cpu(options);
  if (name == "cuda") return open_cuda(options);
  reject(options.Env(), "expected backend 'cpu' or 'cuda' but got '" + name + "'");
}

void export_device_functions(Napi::Env env, Napi::Object exports) {
  exports.Set("instructionSets", Napi::Function::New<guarded<instruction_sets>>(env));
  exports.Set("surveyCuda", Napi::Function::New<guarded<survey_cuda>>(env));
  exports.Set("openDevice", Napi::Function::New<guarded<open_device>>(env));
  exports.Set("describeDevice", Napi::Function::New<guarded<describe_device>>(env));
  exports.Set("tunings", Napi::Function::New<guarded<tunings>>(env));
  exports.Set("tune", Napi::Function::New<guarded<tune>>(env));
  exports.Set("findTuning", Napi::Function::New<guarded<find_tuning>>(env));
  exports.Set("measurePeak", Napi::Function::New<guarded<measure_peak>>(env));
  exports.Set("createParameters", Napi::Function::New<guarded<create_parameters>>(env));
  exports.Set("readParameters", Napi::Function::New<guarded<read_parameters>>(env));
  exports.Set("writeParameters", Napi::Function::New<guarded<write_parameters>>(env));
  exports.Set("createDataset", Napi::Function::New<guarded<create_dataset>>(env));
  exports.Set("writeImages", Napi::Function::New<guarded<write_images>>(env));
  exports.Set("compile", Napi::Function::New<guarded<compile>>(env));
  exports.Set("programMemory", Napi::Function::New<guarded<program_memory>>(env));
  exports.Set("execute", Napi::Function::New<guarded<execute_commands>>(env));
  exports.Set("disposeDevice", Napi::Function::New<guarded<dispose_device>>(env));
  exports.Set("disposeParameters", Napi::Function::New<guarded<dispose<DeviceParameters>>>(env));
  exports.Set("disposeDataset", Napi::Function::New<guarded<dispose<DeviceDataset>>>(env));
  exports.Set("disposeProgram", Napi::Function::New<guarded<dispose<Program>>>(env));
}

}  // namespace dartsmith::binding
