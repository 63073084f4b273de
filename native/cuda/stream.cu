#include "cuda/choice.h"
#include "cuda/stream.h"

namespace dartsmith::cuda {
namespace {

constexpr int kSides = 3;       // two kernel sizes, two gradients; more branches share them
constexpr int kTickets = 4096;  // more than launches that run at once can have members

int selected(int device) {
  check(cudaSetDevice(device), "choosing the device");
  return device;
}

}  // namespace

void CudaStream::abandon() noexcept {
  queue_ = trunk_.handle();
  cudaSetDevice(device_);
  for (const MarkedStream& side : sides_) cudaStreamSynchronize(side.handle());
  cudaStreamSynchronize(trunk_.handle());
  cudaGetLastError();
}

CudaStream::CudaStream(int device) : device_(selected(device)), queue_(trunk_.handle()) {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, device), "reading the device's properties");
  multiprocessors_ = properties.multiProcessorCount;
  cooperative_ = properties.cooperativeLaunch != 0;
  most_shared_bytes_ = static_cast<int>(properties.sharedMemPerBlockOptin);
  // Not when they are asked for first: a stream that is recorded allocates nothing.
  void* memory = nullptr;
  check(cudaMalloc(&memory, kTickets * sizeof(unsigned)), "allocating counters");
  tickets_ = static_cast<unsigned*>(memory);
  check(cudaMemsetAsync(tickets_, 0, kTickets * sizeof(unsigned), queue_), "clearing counters");
}

void CudaStream::allow_branches() {
  select();
  while (sides_.size() < kSides) sides_.emplace_back();
}

bool CudaStream::may_branch() {
  static const bool on = chooses_first("DARTSMITH_CUDA_BRANCHES", "on", "off");
  return on;
}

void CudaStream::fork(int branches) {
  check(cudaEventRecord(trunk_.reached(), handle()), "forking a stream");
  for (size_t i = 0; i < sides_of(branches); ++i) {
    check(cudaStreamWaitEvent(sides_[i].handle(), trunk_.reached(), 0), "forking a stream");
  }
}

// Branches beyond the sides' number share them.
void CudaStream::enter(int branch) {
  const size_t side = static_cast<size_t>(branch) % (sides_.size() + 1);
  queue_ = side == 0 ? trunk_.handle() : sides_[side - 1].handle();
}

void CudaStream::join(int branches) {
  queue_ = trunk_.handle();
  for (size_t i = 0; i < sides_of(branches); ++i) {
    check(cudaEventRecord(sides_[i].reached(), sides_[i].handle()), "joining streams");
    check(cudaStreamWaitEvent(queue_, sides_[i].reached(), 0), "joining streams");
  }
}

MarkedStream::MarkedStream() {
  check(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking), "making a stream");
  const cudaError_t status = cudaEventCreateWithFlags(&reached_, cudaEventDisableTiming);
  if (status != cudaSuccess) cudaStreamDestroy(handle_);
  check(status, "making an event");
}

MarkedStream::~MarkedStream() {
  cudaEventDestroy(reached_);
  cudaStreamDestroy(handle_);
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
