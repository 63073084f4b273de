// One device as the engine uses it: memory, a stream, and tables of kernels.
#pragma once
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/graph.h"
#include "engine/kernel.h"

namespace dartsmith {

// Queued work that can be done again.
class Recording {
 public:
  virtual ~Recording() = default;
  // Queues it once more.
  virtual void replay() = 0;
  // Kernels that one replay runs.
  virtual int64_t kernels() const = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string description() const = 0;
  virtual Stream& stream() = 0;
  virtual const OpKernels& kernels(Op op) const = 0;
  virtual const Sweeps& sweeps() const = 0;
  virtual bool computes_in(Precision precision) const = 0;
  // Whether a program in bfloat16 stores all its images so, and their gradients, rather than only what separables keep
  // for combines. Its inputs and vectors (1 x 1 pixels, as behind a global pooling) stay float32.
  virtual bool halves_images() const { return false; }

  // Device memory, aligned to 64 bytes or more. Throws OutOfMemory. From any thread.
  virtual void* allocate(size_t bytes) = 0;
  virtual void release(void* memory) noexcept = 0;
  // Copies `host` to memory that no queued work knows yet, or clears it without one. From any thread.
  virtual void initialise(void* device, const void* host, size_t bytes) = 0;

  // In the order of the kernels, from the device's thread only. Uploads and downloads are complete on return.
  virtual void upload(void* device, const void* host, size_t bytes) = 0;
  virtual void download(void* host, const void* device, size_t bytes) = 0;
  virtual void copy(void* target, const void* source, size_t bytes) = 0;
  virtual void clear(void* device, size_t bytes) = 0;
  // Begins to copy `host` to memory that no queued work knows yet, beside the kernels that run, and is done with `host`
  // on return: from any thread. What is queued after wait_for_staged() finds it there.
  virtual void stage(void* device, const void* host, size_t bytes) { initialise(device, host, bytes); }
  virtual void wait_for_staged() {}
  // Whether staging so much is worth a copy more and leaves memory enough.
  virtual bool stages(size_t bytes) {
    (void)bytes;
    return false;
  }
  // Waits until what was staged has arrived, whatever became of it. From any thread.
  virtual void settle_staged() noexcept {}
  // After a failure: forgets what waits to be started with more behind it, and waits for all that was queued or staged,
  // whatever becomes of it. What that works on may be freed after.
  virtual void abandon() noexcept {}
  // Waits for all that was queued. Throws Error where some of it failed.
  virtual void finish() {}

  // Workers that run_slices() keeps busy; 0 where a pass gains nothing by being cut into slices (Plan).
  virtual int slice_workers() const { return 0; }
  // Calls body(slice, worker, stream) for every slice below `count`, a worker's one after another. Kernels on such a
  // stream run on the worker alone. Throws what a body throws, when all are done. Of a backend with workers only.
  using SliceBody = std::function<void(int64_t slice, int worker, Stream& stream)>;
  virtual void run_slices(int64_t count, const SliceBody& body) { (void)count, (void)body; }

  // How long what `queue` queues takes, nothing else beside it but other slices. Throws as finish().
  virtual double seconds_of(const std::function<void()>& queue) {
    finish();
    const auto start = std::chrono::steady_clock::now();
    queue();
    finish();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  // Runs `queue` without its kernels and copies being done; null where the backend gains nothing by that.
  virtual std::unique_ptr<Recording> record(const std::function<void()>& queue) {
    (void)queue;
    return nullptr;
  }
  virtual bool records() const { return false; }

  // Ways to go about memory, by name, that differ in speed alone, as the machine decides; empty where there is no
  // choice.
  virtual std::vector<std::string> tunings() const { return {}; }
  // Keeps to one of them; from the device's thread only, as the next.
  virtual void tune(size_t tuning) { (void)tuning; }
  // Measures all, keeps to the fastest, and gives its index; keeps to the first and gives -1 where the machine does too
  // much else to tell. Of a backend with a choice only. Takes a second. Throws Cancelled.
  virtual int find_tuning(const std::atomic<bool>& cancelled) {
    (void)cancelled;
    return -1;
  }

  // For a backend that checks its kernels: bytes that are left free behind each buffer of a pass, marked while the
  // buffer is in use, and looked at after. Throws Error where a kernel wrote there.
  virtual size_t zone_bytes() const { return 0; }
  virtual void mark_zone(void* zone) { (void)zone; }
  virtual void check_zone(const void* zone) { (void)zone; }
};

// Device memory that frees itself.
class Buffer {
 public:
  Buffer() = default;
  Buffer(std::shared_ptr<Backend> backend, size_t bytes)
      : backend_(std::move(backend)), data_(bytes > 0 ? backend_->allocate(bytes) : nullptr), bytes_(bytes) {}
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Buffer() {
    if (data_ != nullptr) backend_->release(data_);
  }

  template <typename T>
  T* as() const {
    return static_cast<T*>(data_);
  }
  size_t bytes() const { return bytes_; }

 private:
  void swap(Buffer& other) noexcept {
    std::swap(backend_, other.backend_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
  }

  std::shared_ptr<Backend> backend_;
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace dartsmith
