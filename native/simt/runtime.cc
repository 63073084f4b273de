#include <cuda_runtime.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "simt/guard.h"
#include "simt/trace.h"

using dartsmith::simt::Fault;
using dartsmith::simt::GuardedMemory;
using dartsmith::simt::Order;
using dartsmith::simt::Traced;

namespace {

// A device an order, so that one process can compare them. They differ in how many blocks run at once as well, and one
// says that its blocks cannot wait for one another: kernels that know another way show there that it gives the same
// bits. Launches of those that know none it takes all the same.
struct OrderedDevice {
  const char* name;
  Order order;
  int multiprocessors = 3;
  bool cooperative = true;
  bool runs = true;
};
constexpr OrderedDevice kDevices[] = {
    {"forward threads", {Order::Kind::kForward, 0}},
    {"reverse threads", {Order::Kind::kReverse, 0}, 2},
    {"random threads 1", {Order::Kind::kRandom, 1}, 1},
    {"random threads 2", {Order::Kind::kRandom, 2}, 4},
    {"random threads 3", {Order::Kind::kRandom, 3}, 3, false},
    // For `bench:cuda-static`: launches are counted, not run.
    {"launches only", {Order::Kind::kForward, 0}, 3, true, false},
};
constexpr int kDeviceCount = static_cast<int>(std::size(kDevices));
constexpr size_t kDeviceBytes = size_t{2} << 30;

thread_local int device_now = 0;
thread_local std::string fault_text = "unspecified launch failure";
thread_local cudaError_t last_error = cudaSuccess;

cudaError_t report(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

// Device memory of all devices, by address.
std::mutex memory_mutex;
std::map<void*, GuardedMemory>& allocations() {
  static auto* map = new std::map<void*, GuardedMemory>;  // never destroyed: threads may end after the statics
  return *map;
}
size_t allocated_bytes = 0;

// What cudaFuncSetAttribute asked for last, by device and kernel.
std::mutex allowed_mutex;
std::map<std::pair<int, const void*>, size_t>& allowed_bytes() {
  static auto* map = new std::map<std::pair<int, const void*>, size_t>;
  return *map;
}

// Only zones are looked at, so that other threads may write their memory meanwhile.
bool memory_intact() {
  const std::lock_guard lock(memory_mutex);
  return std::all_of(allocations().begin(), allocations().end(), [](const auto& a) { return a.second.intact(); });
}

// What devices that run nothing would have run.
std::mutex trace_mutex;
std::vector<Traced> traces[kDeviceCount];

void trace(int device, const Traced& traced) {
  if (kDevices[device].runs) return;
  const std::lock_guard lock(trace_mutex);
  traces[device].push_back(traced);
}

// Of a graph, by place.
using Places = std::set<size_t>;

struct Operation {
  cudaGraphNodeType type;
  std::function<cudaError_t()> run;
  Places after;
};

}  // namespace

struct SimtGraphNode {
  cudaGraphNodeType type;
};

struct SimtGraph {
  std::vector<Operation> operations;
  std::vector<SimtGraphNode> nodes;
  std::vector<cudaStream_t> streams;  // that are recorded, the first one's own first

  // Whether all operations come before those.
  bool ends_with(const Places& last) const {
    Places found, left = last;
    while (!left.empty()) {
      const size_t place = *left.begin();
      left.erase(left.begin());
      if (!found.insert(place).second) continue;
      left.insert(operations[place].after.begin(), operations[place].after.end());
    }
    return found.size() == operations.size();
  }
};

struct SimtGraphExec {
  std::vector<Operation> operations;
};

struct SimtEvent {
  std::atomic<uint64_t> recorded = 0;  // times
  std::atomic<uint64_t> reached = 0;
  cudaStream_t stream = nullptr;
  std::chrono::steady_clock::time_point time;
  std::shared_ptr<SimtGraph> capture;  // that it was recorded in last
  Places after;
};

struct SimtStream {
  int device = 0;
  std::recursive_mutex mutex;  // of what follows: any thread may use a stream
  std::deque<std::function<cudaError_t()>> pending;
  std::shared_ptr<SimtGraph> capture;
  Places last;                      // operations of the capture that the next one comes after
  cudaError_t error = cudaSuccess;  // what a launch ended with: it stays, as on a device that was lost

  cudaError_t add(cudaGraphNodeType type, std::function<cudaError_t()> run) {
    const std::lock_guard lock(mutex);
    if (capture != nullptr) {
      capture->operations.push_back({type, std::move(run), std::exchange(last, {capture->operations.size()})});
    } else {
      pending.push_back(std::move(run));
    }
    return cudaSuccess;
  }

  void push(std::function<cudaError_t()> run) {
    const std::lock_guard lock(mutex);
    pending.push_back(std::move(run));
  }

  // Runs the next piece of work; false where there is none.
  bool step() {
    const std::lock_guard lock(mutex);
    if (pending.empty()) return false;
    const auto run = std::move(pending.front());
    pending.pop_front();
    if (error != cudaSuccess) return true;
    const int before = std::exchange(device_now, device);
    const cudaError_t status = run();
    if (status != cudaSuccess) error = status;
    device_now = before;
    return true;
  }

  cudaError_t drain() {
    while (step()) {
    }
    if (error == cudaSuccess && !memory_intact()) {
      fault_text = "a kernel wrote past an allocation";
      error = cudaErrorIllegalAddress;
    }
    return report(error);
  }
};

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchFailure:
      return fault_text.c_str();
    case cudaErrorCooperativeLaunchTooLarge:
      return "too many blocks in cooperative launch";
    case cudaErrorNotReady:
      return "device not ready";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureUnjoined:
      return "capturing stream has unjoined work";
    case cudaErrorStreamCaptureIsolation:
      return "dependency created on uncaptured work in another stream";
    default:
      return "invalid argument";
  }
}

const char* cudaGetErrorName(cudaError_t error) {
  return error == cudaSuccess ? "cudaSuccess" : "cudaError";
}

cudaError_t cudaGetLastError() {
  return std::exchange(last_error, cudaSuccess);
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = kDeviceCount;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= kDeviceCount) return report(cudaErrorInvalidDevice);
  *properties = {};
  std::strncpy(properties->name, kDevices[device].name, sizeof properties->name - 1);
  properties->totalGlobalMem = kDeviceBytes;
  properties->sharedMemPerBlockOptin = dartsmith::simt::kSharedBytes;
  properties->major = 8;
  properties->minor = 9;
  properties->multiProcessorCount = kDevices[device].multiprocessors;
  properties->cooperativeLaunch = kDevices[device].cooperative ? 1 : 0;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= kDeviceCount) return report(cudaErrorInvalidDevice);
  device_now = device;
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  return cudaDriverGetVersion(version);
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  const std::lock_guard lock(memory_mutex);
  *total = kDeviceBytes;
  *free = kDeviceBytes - std::min(kDeviceBytes, allocated_bytes);
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  const std::lock_guard lock(memory_mutex);
  *memory = nullptr;
  if (bytes > kDeviceBytes || allocated_bytes + bytes > kDeviceBytes) return report(cudaErrorMemoryAllocation);
  GuardedMemory guarded;
  try {
    guarded.reset(bytes);
  } catch (const std::bad_alloc&) {
    return report(cudaErrorMemoryAllocation);
  }
  *memory = guarded.data();
  allocated_bytes += bytes;
  allocations().emplace(*memory, std::move(guarded));
  return cudaSuccess;
}

cudaError_t cudaFree(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  const std::lock_guard lock(memory_mutex);
  const auto found = allocations().find(memory);
  if (found == allocations().end()) return report(cudaErrorInvalidValue);
  allocated_bytes -= found->second.bytes();
  allocations().erase(found);
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void** memory, size_t bytes) {
  *memory = std::malloc(std::max<size_t>(bytes, 1));
  return report(*memory == nullptr ? cudaErrorMemoryAllocation : cudaSuccess);
}

cudaError_t cudaFreeHost(void* memory) {
  std::free(memory);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* target, const void* source, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  return stream->add(cudaGraphNodeTypeMemcpy, [=] {
    if (kind == cudaMemcpyDeviceToDevice) trace(stream->device, {.kind = Traced::Kind::kCopy, .bytes = bytes});
    std::memcpy(target, source, bytes);
    return cudaSuccess;
  });
}

cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream) {
  return stream->add(cudaGraphNodeTypeMemset, [=] {
    trace(stream->device, {.kind = Traced::Kind::kClear, .bytes = bytes});
    std::memset(memory, value, bytes);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new SimtStream{};
  (*stream)->device = device_now;
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (stream->capture != nullptr) return report(cudaErrorStreamCaptureUnsupported);
  const cudaError_t status = stream->drain();
  trace(stream->device, {.kind = Traced::Kind::kWait});
  return status;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new SimtEvent{};
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  event->capture = stream->capture;
  event->after = stream->last;
  if (stream->capture != nullptr) return cudaSuccess;
  event->stream = stream;
  stream->push([event, time = ++event->recorded] {
    event->time = std::chrono::steady_clock::now();
    event->reached = time;
    return cudaSuccess;
  });
  return cudaSuccess;
}

namespace {

// Until the event was reached for that time.
cudaError_t wait_for(cudaEvent_t event, uint64_t time) {
  while (event->reached < time && event->stream->step()) {
  }
  return report(event->stream == nullptr ? cudaSuccess : event->stream->error);
}

}  // namespace

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return wait_for(event, event->recorded);
}

cudaError_t cudaEventElapsedTime(float* millis, cudaEvent_t begin, cudaEvent_t end) {
  if (begin->reached == 0 || end->reached == 0) return report(cudaErrorInvalidValue);
  *millis = std::chrono::duration<float, std::milli>(end->time - begin->time).count();
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (event->capture != nullptr) {
    // Whoever waits for what is recorded is recorded as well.
    SimtGraph& graph = *event->capture;
    if (graph.streams.empty() || (stream->capture != nullptr && stream->capture != event->capture)) {
      return report(cudaErrorStreamCaptureIsolation);
    }
    if (stream->capture == nullptr) graph.streams.push_back(stream);
    stream->capture = event->capture;
    stream->last.insert(event->after.begin(), event->after.end());
    return cudaSuccess;
  }
  if (stream->capture != nullptr) return report(cudaErrorStreamCaptureIsolation);
  stream->push([event, time = event->recorded.load()] { return wait_for(event, time); });
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (stream->capture != nullptr) return report(cudaErrorInvalidValue);
  stream->capture = std::make_shared<SimtGraph>();
  stream->capture->streams = {stream};
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const std::shared_ptr<SimtGraph> capture = stream->capture;
  if (capture == nullptr || capture->streams[0] != stream) return report(cudaErrorInvalidValue);
  const bool joined = capture->ends_with(stream->last);
  for (cudaStream_t recorded : std::exchange(capture->streams, {})) {
    recorded->capture = nullptr;
    recorded->last.clear();
  }
  *graph = nullptr;
  if (!joined) return report(cudaErrorStreamCaptureUnjoined);
  for (const Operation& operation : capture->operations) capture->nodes.push_back({operation.type});
  *graph = new SimtGraph(std::move(*capture));
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  *exec = new SimtGraphExec{graph->operations};
  return cudaSuccess;
}

namespace {

// The next of those that may run.
size_t chosen_from(const Places& ready, const Order& order, size_t turn) {
  switch (order.kind) {
    case Order::Kind::kForward:
      return *ready.begin();
    case Order::Kind::kReverse:
      return *ready.rbegin();
    default:
      return *std::next(ready.begin(), static_cast<std::ptrdiff_t>((turn + order.seed) * 2654435761u % ready.size()));
  }
}

}  // namespace

// One after another, in an order of the device's own that branches leave open.
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  const std::vector<Operation>& operations = exec->operations;
  std::vector<size_t> waiting(operations.size());
  std::vector<std::vector<size_t>> next(operations.size());
  Places ready;
  for (size_t i = 0; i < operations.size(); ++i) {
    waiting[i] = operations[i].after.size();
    for (size_t before : operations[i].after) next[before].push_back(i);
    if (waiting[i] == 0) ready.insert(i);
  }
  for (size_t turn = 0; !ready.empty(); ++turn) {
    const size_t place = chosen_from(ready, kDevices[stream->device].order, turn);
    ready.erase(place);
    stream->add(operations[place].type, operations[place].run);
    for (size_t after : next[place]) {
      if (--waiting[after] == 0) ready.insert(after);
    }
  }
  return cudaSuccess;
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  if (nodes == nullptr) {
    *count = graph->nodes.size();
    return cudaSuccess;
  }
  *count = std::min(*count, graph->nodes.size());
  for (size_t i = 0; i < *count; ++i) nodes[i] = &graph->nodes[i];
  return cudaSuccess;
}

cudaError_t cudaGraphNodeGetType(cudaGraphNode_t node, cudaGraphNodeType* type) {
  *type = node->type;
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  delete exec;
  return cudaSuccess;
}

namespace dartsmith::simt {

int64_t zone_bytes() {
  return kDevices[device_now].runs ? 64 : 0;
}

std::vector<Traced> take_trace(int device) {
  if (device < 0 || device >= kDeviceCount) return {};
  const std::lock_guard lock(trace_mutex);
  return std::exchange(traces[device], {});
}

cudaError_t allow_shared_memory(const void* symbol, int bytes) {
  if (bytes < 0 || static_cast<size_t>(bytes) > kSharedBytes) return report(cudaErrorInvalidValue);
  const std::lock_guard lock(allowed_mutex);
  allowed_bytes()[{device_now, symbol}] = static_cast<size_t>(bytes);
  return cudaSuccess;
}

size_t allowed_shared_bytes(const void* symbol) {
  const std::lock_guard lock(allowed_mutex);
  const auto known = allowed_bytes().find({device_now, symbol});
  return known == allowed_bytes().end() ? kSharedBytesUnasked : known->second;
}

cudaError_t enqueue_kernel(const cudaLaunchConfig_t& config, const void* symbol, std::function<void()> kernel) {
  Launch launch{{config.gridDim.x, config.gridDim.y, config.gridDim.z},
                {config.blockDim.x, config.blockDim.y, config.blockDim.z},
                config.dynamicSmemBytes};
  for (const cudaLaunchAttribute& attribute : std::span(config.attrs, config.numAttrs)) {
    launch.cooperative |= attribute.id == cudaLaunchAttributeCooperative && attribute.val.cooperative != 0;
    launch.early |= attribute.id == cudaLaunchAttributeProgrammaticStreamSerialization &&
                    attribute.val.programmaticStreamSerializationAllowed != 0;
  }
  if (launch.grid.count() == 0 || launch.block.count() == 0 || launch.block.count() > 1024 || launch.grid.y > 65535 ||
      launch.grid.z > 65535) {
    return report(cudaErrorInvalidValue);
  }
  // As the real one: more shared memory than allowed is an invalid value, or room for no block at all.
  const bool fits = launch.shared_bytes <= allowed_shared_bytes(symbol);
  const size_t at_once = fits ? kDevices[config.stream->device].multiprocessors : 0;
  if (launch.cooperative && launch.grid.count() > at_once) {
    return report(cudaErrorCooperativeLaunchTooLarge);
  }
  if (!fits) return report(cudaErrorInvalidValue);
  const int device = config.stream->device;
  if (!kDevices[device].runs) {
    return config.stream->add(cudaGraphNodeTypeKernel, [launch, device, symbol] {
      trace(device, {.kind = Traced::Kind::kKernel,
                     .symbol = symbol,
                     .blocks = static_cast<int64_t>(launch.grid.count()),
                     .cooperative = launch.cooperative,
                     .bytes = launch.shared_bytes});
      return cudaSuccess;
    });
  }
  return config.stream->add(cudaGraphNodeTypeKernel, [launch, device, kernel = std::move(kernel)] {
    try {
      run_grid(launch, kDevices[device].order, kernel);
    } catch (const Fault& fault) {
      fault_text = fault.what();
      return cudaErrorLaunchFailure;
    }
    return cudaSuccess;
  });
}

}  // namespace dartsmith::simt
