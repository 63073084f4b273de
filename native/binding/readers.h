// What TypeScript hands over, as the engine's own data.
#pragma once
#include "binding/node.h"
#include "engine/commands.h"

namespace dartsmith::binding {

// src/backend/native/encode.ts writes what this reads.
Graph read_graph(const Napi::Object& value);
Batch read_batch(const Device& device, const Napi::Object& value);
inline Arena read_arena(const Napi::Value& value) {
  const int64_t index = integer(value, "arena");
  if (index < 0 || index >= kArenaCount) reject(value.Env(), "expected an arena");
  return static_cast<Arena>(index);
}
Command read_command(const Device& device, const Napi::Object& value);

}  // namespace dartsmith::binding
