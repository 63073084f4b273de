#include "cuda/choice.h"
#include "cuda/stream.h"
#include "cuda/task.cuh"

namespace dartsmith::cuda {
namespace {

constexpr int kTickets = 4096;  // more than launches that run at once can have members

bool may_start_early() {
  static const bool off = chooses_first("DARTSMITH_CUDA_EARLY", "off", "on");
  return !off;
}

// Says which code the addon has for a device, as any kernel does.
__global__ void probe_kernel() {
  begin_kernel();
}

// begin_kernel waits in code for sm_90 and later, be it that of the device or compiled for it on the spot.
bool can_start_early() {
  cudaFuncAttributes attributes{};
  check(cudaFuncGetAttributes(&attributes, probe_kernel), "looking for kernels");
  return attributes.ptxVersion >= 90;
}

int selected(int device) {
  check(cudaSetDevice(device), "choosing the device");
  return device;
}

}  // namespace

void CudaStream::abandon() noexcept {
  queue_ = trunk_.handle();
  cudaSetDevice(device_);
  for (int i = 0; branches_ && i < kSides; ++i) cudaStreamSynchronize(sides_[i].handle());
  cudaStreamSynchronize(trunk_.handle());
  cudaGetLastError();
}

CudaStream::CudaStream(int device) : device_(selected(device)) {
  trunk_.open();
  queue_ = trunk_.handle();
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, device), "reading the device's properties");
  multiprocessors_ = properties.multiProcessorCount;
  cooperative_ = properties.cooperativeLaunch != 0;
  starts_early_ = may_start_early();
  if (starts_early_ && !can_start_early()) {
    fail("cuda", "DARTSMITH_CUDA_EARLY=on needs a GPU of sm_90 or later and kernels compiled for such");
  }
  most_shared_bytes_ = static_cast<int>(properties.sharedMemPerBlockOptin);
  // Not when they are asked for first: a stream that is recorded allocates nothing.
  void* memory = nullptr;
  check(cudaMalloc(&memory, kTickets * sizeof(unsigned)), "allocating counters");
  tickets_ = static_cast<unsigned*>(memory);
  check(cudaMemsetAsync(tickets_, 0, kTickets * sizeof(unsigned), queue_), "clearing counters");
}

void CudaStream::allow_branches() {
  if (branches_) return;
  select();
  for (MarkedStream& side : sides_) side.open();
  branches_ = true;
}

bool CudaStream::may_branch() {
  static const bool on = chooses_first("DARTSMITH_CUDA_BRANCHES", "on", "off");
  return on;
}

void CudaStream::fork(int branches) {
  check(cudaEventRecord(trunk_.reached(), handle()), "forking a stream");
  for (int i = 0; i < sides_of(branches); ++i) {
    check(cudaStreamWaitEvent(sides_[i].handle(), trunk_.reached(), 0), "forking a stream");
  }
}

// Branches beyond the sides' number share them.
void CudaStream::enter(int branch) {
  const int side = branch % (kSides + 1);
  queue_ = side == 0 ? trunk_.handle() : sides_[side - 1].handle();
}

void CudaStream::join(int branches) {
  queue_ = trunk_.handle();
  for (int i = 0; i < sides_of(branches); ++i) {
    check(cudaEventRecord(sides_[i].reached(), sides_[i].handle()), "joining streams");
    check(cudaStreamWaitEvent(queue_, sides_[i].reached(), 0), "joining streams");
  }
}

void MarkedStream::open() {
  check(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking), "making a stream");
  check(cudaEventCreateWithFlags(&reached_, cudaEventDisableTiming), "making an event");
}

MarkedStream::~MarkedStream() {
  if (reached_ != nullptr) cudaEventDestroy(reached_);
  if (handle_ != nullptr) cudaStreamDestroy(handle_);
}

unsigned* CudaStream::tickets(int count) {
  if (next_ticket_ + count > kTickets) next_ticket_ = 0;
  unsigned* result = tickets_ + next_ticket_;
  next_ticket_ += count;
  return result;
}

CudaStream::~CudaStream() {
  cudaSetDevice(device_);
  cudaFree(tickets_);
}

}  // namespace dartsmith::cuda
