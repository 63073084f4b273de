// NVIDIA GPUs as a backend: device memory, streams, recorded graphs, and the CUDA kernels.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "engine/backend.h"

namespace dartsmith::cuda {

// What was found of CUDA on this machine.
struct Survey {
  std::vector<std::string> devices;  // by index: name, architecture, memory
  std::string trouble;               // why the first cannot be used; empty otherwise
  std::string runtime;               // versions of the runtime that was built in and of the driver
};

// Whether CUDA kernels were built at all.
bool built();
Survey survey();

// Opens the device of that index; holds at most `memory_limit` bytes, 0 for all. Throws Error that says what to do
// where it cannot be used.
std::shared_ptr<Backend> open_backend(int index, size_t memory_limit);

}  // namespace dartsmith::cuda
