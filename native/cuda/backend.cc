#include "cuda/backend.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>

#include "cuda/allocator.h"
#include "cuda/kernels.h"
#include "cuda/stream.h"

namespace dartsmith::cuda {
namespace {

#define DARTSMITH_ENTRY(op, name) &name##_kernels,
#define DARTSMITH_NONE(op, name) nullptr,
constexpr const OpKernels* kKernels[kOpCount] = {DARTSMITH_OPS(DARTSMITH_ENTRY, DARTSMITH_NONE)};
#undef DARTSMITH_ENTRY
#undef DARTSMITH_NONE

// Host memory that the device reads and writes by itself.
class PinnedMemory {
 public:
  explicit PinnedMemory(size_t bytes) { check(cudaMallocHost(&memory_, bytes), "allocating memory for transfers"); }
  ~PinnedMemory() { cudaFreeHost(memory_); }
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;
  void* get() const { return memory_; }

 private:
  void* memory_ = nullptr;
};

// Moves data through two pinned buffers in turns on a stream of its own: while one is on its way the other is filled.
class Transfers {
 public:
  explicit Transfers(int device) : stream_(device) {
    for (Half& half : halves_) check(cudaEventCreateWithFlags(&half.done, cudaEventDisableTiming), "making an event");
  }
  ~Transfers() {
    for (Half& half : halves_) cudaEventDestroy(half.done);
  }

  // Queues a copy to the device and waits until the host's memory may be used again, not until the copy is done.
  void upload(void* device, const void* host, size_t bytes) {
    const auto* from = static_cast<const std::byte*>(host);
    auto* to = static_cast<std::byte*>(device);
    while (bytes > 0) {
      Half& half = halves_[next_];
      next_ ^= 1;
      check(cudaEventSynchronize(half.done), "waiting for a transfer");
      if (half.memory == nullptr) half.memory = std::make_unique<PinnedMemory>(kBufferBytes);
      const size_t part = std::min(bytes, kBufferBytes);
      std::memcpy(half.memory->get(), from, part);
      check(cudaMemcpyAsync(to, half.memory->get(), part, cudaMemcpyHostToDevice, stream_.handle()), "uploading");
      check(cudaEventRecord(half.done, stream_.handle()), "uploading");
      from += part;
      to += part;
      bytes -= part;
    }
  }
  CudaStream& stream() { return stream_; }
  // The transfer queued last.
  cudaEvent_t last() const { return halves_[next_ ^ 1].done; }

 private:
  static constexpr size_t kBufferBytes = size_t{4} << 20;
  struct Half {
    std::unique_ptr<PinnedMemory> memory;
    cudaEvent_t done = nullptr;
  };

  CudaStream stream_;
  Half halves_[2];
  int next_ = 0;
};

class CudaRecording final : public Recording {
 public:
  CudaRecording(CudaStream& stream, cudaGraph_t graph) : stream_(stream) {
    size_t count = 0;
    check(cudaGraphGetNodes(graph, nullptr, &count), "reading a graph");
    std::vector<cudaGraphNode_t> nodes(count);
    check(cudaGraphGetNodes(graph, nodes.data(), &count), "reading a graph");
    for (cudaGraphNode_t node : nodes) {
      cudaGraphNodeType type;
      check(cudaGraphNodeGetType(node, &type), "reading a graph");
      if (type == cudaGraphNodeTypeKernel) ++kernels_;
    }
    check(cudaGraphInstantiate(&exec_, graph, 0), "making a graph ready");
  }
  ~CudaRecording() override {
    cudaGraphExecDestroy(exec_);  // belongs to its context, whichever device the thread has chosen
  }
  void replay() override { check(cudaGraphLaunch(exec_, stream_.handle()), "launching a graph"); }
  int64_t kernels() const override { return kernels_; }

 private:
  CudaStream& stream_;
  cudaGraphExec_t exec_ = nullptr;
  int64_t kernels_ = 0;
};

// Compute capability from which on tensor cores know TF32 and bfloat16.
constexpr int kOldest = 8;
constexpr const char* kTooOld = "an Ampere GPU (2020, sm_80) or later is needed";

std::string describe(int index, const cudaDeviceProp& properties) {
  return std::to_string(index) + ": " + properties.name + ", sm_" + std::to_string(properties.major) +
         std::to_string(properties.minor) + ", " + std::to_string(properties.totalGlobalMem >> 20) + " MiB";
}

class CudaBackend final : public Backend {
 public:
  CudaBackend(int index, size_t memory_limit)
      : stream_(index), uploads_(index), setups_(index), allocator_(index, memory_limit) {
    stream_.allow_branches();
    cudaDeviceProp properties;
    check(cudaGetDeviceProperties(&properties, index), "reading the device's properties");
    description_ = std::string("cuda (") + describe(index, properties) + ")";
    if (properties.major < kOldest) fail("cuda", "device ", index, " is too old: ", kTooOld);
    check(cudaEventCreateWithFlags(&reached_, cudaEventDisableTiming), "making an event");
    for (cudaEvent_t* event : {&began_, &ended_}) {
      check(cudaEventCreateWithFlags(event, cudaEventDefault), "making an event");
    }
  }
  ~CudaBackend() override {
    for (cudaEvent_t event : {reached_, began_, ended_}) cudaEventDestroy(event);
  }

  std::string description() const override { return description_; }
  Stream& stream() override { return stream_; }
  const OpKernels& kernels(Op op) const override {
    static const OpKernels none;
    const OpKernels* kernels = kKernels[static_cast<int>(op)];
    return kernels == nullptr ? none : *kernels;
  }
  const Sweeps& sweeps() const override { return sweep_kernels; }
  bool computes_in(Precision) const override { return true; }
  bool halves_images() const override { return true; }

  void* allocate(size_t bytes) override { return allocator_.allocate(bytes); }
  void release(void* memory) noexcept override { allocator_.release(memory); }

  bool stages(size_t bytes) override {
    constexpr size_t kShare = 16;  // of the free memory, which working memory needs
    return bytes <= allocator_.free_bytes() / kShare;
  }
  void stage(void* device, const void* host, size_t bytes) override {
    if (bytes == 0) return;
    const std::lock_guard lock(setup_mutex_);
    setups_.stream().select();
    setups_.upload(device, host, bytes);
  }
  void wait_for_staged() override {
    const std::lock_guard lock(setup_mutex_);
    stream_.select();
    check(cudaStreamWaitEvent(stream_.handle(), setups_.last(), 0), "waiting for a batch");
  }

  void initialise(void* device, const void* host, size_t bytes) override {
    const std::lock_guard lock(setup_mutex_);
    setups_.stream().select();
    if (host == nullptr) {
      check(cudaMemsetAsync(device, 0, bytes, setups_.stream().handle()), "clearing memory");
    } else {
      setups_.upload(device, host, bytes);
    }
    setups_.stream().wait();
  }

  // After all kernels so far, which may still read what is there.
  void upload(void* device, const void* host, size_t bytes) override {
    if (bytes == 0) return;
    stream_.select();
    check(cudaEventRecord(reached_, stream_.handle()), "uploading");
    check(cudaStreamWaitEvent(uploads_.stream().handle(), reached_, 0), "uploading");
    uploads_.upload(device, host, bytes);
    uploads_.stream().wait();
  }
  void download(void* host, const void* device, size_t bytes) override {
    if (bytes == 0) return;
    stream_.select();
    check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_.handle()), "downloading");
    stream_.wait();
  }
  void copy(void* target, const void* source, size_t bytes) override {
    if (bytes == 0) return;
    stream_.select();
    check(cudaMemcpyAsync(target, source, bytes, cudaMemcpyDeviceToDevice, stream_.handle()), "copying");
  }
  void clear(void* device, size_t bytes) override {
    if (bytes == 0) return;
    stream_.select();
    check(cudaMemsetAsync(device, 0, bytes, stream_.handle()), "clearing memory");
  }
  void settle_staged() noexcept override {
    const std::lock_guard lock(setup_mutex_);
    setups_.stream().abandon();
  }
  void abandon() noexcept override {
    stream_.abandon();
    uploads_.stream().abandon();
    settle_staged();
  }
  void finish() override {
    stream_.select();
    stream_.wait();
  }

  // By the device's own clock: without the launch's way there and the wait's way back.
  double seconds_of(const std::function<void()>& queue) override {
    finish();
    check(cudaEventRecord(began_, stream_.handle()), "timing");
    queue();
    check(cudaEventRecord(ended_, stream_.handle()), "timing");
    finish();
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, began_, ended_), "timing");
    return milliseconds * 1e-3;
  }

#ifdef DARTSMITH_SIMT
  size_t zone_bytes() const override {
    return zone_bytes_;
  }
  void mark_zone(void* zone) override {
    check(cudaMemsetAsync(zone, kZoneByte, zone_bytes_, stream_.handle()), "marking a zone");
  }
  void check_zone(const void* zone) override {
    std::vector<unsigned char> found(zone_bytes_);
    download(found.data(), zone, zone_bytes_);
    const bool intact = std::ranges::all_of(found, [](unsigned char byte) { return byte == kZoneByte; });
    if (!intact) fail("simt", "a kernel wrote past the end of a buffer");
  }
#endif

  bool records() const override {
    return true;
  }
  std::unique_ptr<Recording> record(const std::function<void()>& queue) override {
    stream_.select();
    check(cudaStreamBeginCapture(stream_.handle(), cudaStreamCaptureModeThreadLocal), "recording a graph");
    cudaGraph_t graph = nullptr;
    try {
      queue();
    } catch (...) {
      cudaStreamEndCapture(stream_.handle(), &graph);
      if (graph != nullptr) cudaGraphDestroy(graph);
      throw;
    }
    check(cudaStreamEndCapture(stream_.handle(), &graph), "recording a graph");
    const std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, cudaError_t (*)(cudaGraph_t)> owned(graph,
                                                                                                  cudaGraphDestroy);
    return std::make_unique<CudaRecording>(stream_, graph);
  }

 private:
  CudaStream stream_;
  Transfers uploads_;  // in the order of the kernels
  std::mutex setup_mutex_;
  Transfers setups_;  // from any thread, beside the kernels
  Allocator allocator_;
  cudaEvent_t reached_ = nullptr, began_ = nullptr, ended_ = nullptr;
  std::string description_;
#ifdef DARTSMITH_SIMT
  static constexpr int kZoneByte = 0xA5;
  const size_t zone_bytes_ = static_cast<size_t>(simt::zone_bytes());
#endif
};

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

}  // namespace

bool built() {
  return true;
}

Survey survey() {
  Survey result;
  int runtime = 0, driver = 0, count = 0;
  cudaRuntimeGetVersion(&runtime);
  cudaDriverGetVersion(&driver);
  result.runtime = "runtime " + version_text(runtime) + ", " +
                   (driver == 0 ? std::string("no driver") : "driver for " + version_text(driver));
  const cudaError_t status = cudaGetDeviceCount(&count);
  cudaGetLastError();
  if (status == cudaErrorInsufficientDriver) {
    result.trouble = driver == 0 ? "there is no NVIDIA driver on this machine"
                                 : "the NVIDIA driver is older than the runtime: update the driver";
  } else if (status != cudaSuccess) {
    result.trouble = cudaGetErrorString(status);
  } else if (count == 0) {
    result.trouble = "no CUDA-capable device is detected";
  }
  for (int i = 0; status == cudaSuccess && i < count; ++i) {
    cudaDeviceProp properties;
    if (cudaGetDeviceProperties(&properties, i) != cudaSuccess) break;
    result.devices.push_back(describe(i, properties));
    if (i == 0 && properties.major < kOldest) result.trouble = std::string("the first GPU is too old: ") + kTooOld;
  }
  return result;
}

std::shared_ptr<Backend> open_backend(int index, size_t memory_limit) {
  const Survey found = survey();
  if (found.devices.empty()) fail("cuda", found.trouble, " (", found.runtime, ")");
  if (index < 0 || index >= static_cast<int>(found.devices.size())) {
    fail("cuda", "expected a device index below ", found.devices.size(), " but got ", index);
  }
  return std::make_shared<CudaBackend>(index, memory_limit);
}

}  // namespace dartsmith::cuda
