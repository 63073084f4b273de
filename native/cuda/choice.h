// Which of two ways a variable of the environment chooses.
#pragma once
#include <cstdlib>
#include <cstring>

#include "engine/fail.h"

namespace dartsmith::cuda {

// Whether it is the first one, as where the variable is not set. Throws Error for a value that means nothing.
inline bool chooses_first(const char* variable, const char* first, const char* second) {
  const char* value = std::getenv(variable);
  if (value == nullptr || *value == '\0' || std::strcmp(value, first) == 0) return true;
  if (std::strcmp(value, second) == 0) return false;
  fail("cuda", "expected ", variable, " to be ", first, " or ", second, " but got '", value, "'");
}

}  // namespace dartsmith::cuda
