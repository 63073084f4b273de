// Which of two ways a variable of the environment chooses.
#pragma once
#include <cstdlib>
#include <string_view>

#include "engine/error.h"

namespace dartsmith::cuda {

// Whether it is the first one, as where the variable is not set. Throws Error for a value that means nothing.
inline bool chooses_first(const char* variable, std::string_view first, std::string_view second) {
  const char* value = std::getenv(variable);
  const std::string_view wanted = value == nullptr || *value == '\0' ? first : value;
  if (wanted == first || wanted == second) return wanted == first;
  fail("cuda", "expected ", variable, " to be ", first, " or ", second, " but got '", wanted, "'");
}

}  // namespace dartsmith::cuda
