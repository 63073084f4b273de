// Of ops that multiply by masks (MaskPlan).
#pragma once
#include "engine/ops/descriptor.h"

namespace dartsmith {

inline MaskAttributes read_mask(AttributeReader& reader) {
  const float rate = reader.single("rate");
  return {rate, reader.integer("number")};
}

inline void expect_mask(const NodeCheck& check, const MaskAttributes& mask) {
  if (!(mask.rate >= 0 && mask.rate < 1)) check.fail("expected a rate from 0 to below 1");
  if (mask.number < 0 || mask.number >= 1 << 24) check.fail("expected a number from 0 to 2^24");
}

inline void expect_vector(const NodeCheck& check) {
  check.expect_inputs(1);
  if (check.input().height * check.input().width != 1) check.fail("expected a vector");
}

}  // namespace dartsmith
