// A node of a graph while it is checked: what its descriptor may look at, and how it says what it expected.
#pragma once
#include "engine/error.h"
#include "engine/graph.h"

namespace dartsmith {

class NodeCheck {
 public:
  NodeCheck(const Graph& graph, int id) : graph_(graph), id_(id) {}

  const Node& node() const { return graph_.nodes[id_]; }
  int id() const { return id_; }
  const Shape& input(size_t index = 0) const { return graph_.nodes[node().inputs[index]].shape; }
  size_t inputs() const { return node().inputs.size(); }

  // These throw Error.
  template <typename... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    dartsmith::fail(op_name(node().op), parts...);
  }
  // Whether an input is a loss that a sum of losses may have.
  bool is_term(size_t index) const;
  // Below what the integers are that the first input holds.
  int integers() const;
  void expect_inputs(size_t count) const;
  void expect_input() const;  // at least one
  void expect_weight(const char* what, const ParameterPlace& place, int64_t size) const;
  void expect_buffer(const char* what, const ParameterPlace& place, int64_t size) const;
  void expect_alpha(const char* what, const ParameterPlace& place, int64_t size) const;
  // Of the first input, seen through a window.
  Shape windowed(const Window& window, int64_t channels) const;
  // Of sizes; there is no tensor that large.
  int64_t product(int64_t a, int64_t b) const;

 private:
  void expect_parameter(const char* what, const ParameterPlace& place, int64_t size, int64_t arena) const;
  int64_t windowed(int64_t size, const Window& window, int axis) const;

  const Graph& graph_;
  const int id_;
};

// Larger than any real tensor of one sample, small enough that no product of sizes overflows.
inline constexpr int64_t kMaxElements = int64_t{1} << 40;

}  // namespace dartsmith
