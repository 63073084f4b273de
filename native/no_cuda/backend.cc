// Stands in for native/cuda where the addon is built without it.
#include "cuda/backend.h"

#include "engine/error.h"

namespace dartsmith::cuda {

bool built() {
  return false;
}

Survey survey() {
  return {{},
          "the addon was built without CUDA: put nvcc (CUDA 12 or later) on the PATH and run npm rebuild dartsmith",
          ""};
}

std::shared_ptr<Backend> open_backend(int, size_t) {
  fail("cuda", survey().trouble);
}

}  // namespace dartsmith::cuda
