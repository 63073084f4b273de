// How a descriptor gets its op's attributes: number after number, in the order in which
// src/backend/native/encode_nodes.ts writes them. Whoever implements it checks every number.
#pragma once
#include <string>

#include "engine/attributes.h"

namespace dartsmith {

class AttributeReader {
 public:
  virtual double number(const char* name) = 0;
  virtual int integer(const char* name) = 0;
  // Of a list whose entries follow.
  virtual int count(const char* name) = 0;
  virtual std::string text(const char* name) = 0;

  float single(const char* name) { return static_cast<float>(number(name)); }
  bool flag(const char* name) { return integer(name) != 0; }
  void pair(const char* name, int (&values)[2]) {
    for (int& value : values) value = integer(name);
  }
  // Without dilation, which not every op has.
  Window window() {
    Window window;
    pair("kernel", window.kernel);
    pair("stride", window.stride);
    pair("padding", window.padding);
    return window;
  }

 protected:
  ~AttributeReader() = default;
};

}  // namespace dartsmith
