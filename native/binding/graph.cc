#include <string>
#include <utility>
#include <vector>

#include "binding/readers.h"
#include "engine/ops/descriptor.h"

namespace dartsmith::binding {
namespace {

// The numbers of a graph, one after another: an object a node would cost ten times as long to read, on the JavaScript
// thread. Every number is checked; what is left out or too much is an error.
class Numbers final : public AttributeReader {
 public:
  // `inputs`: what the graph's inputs are called, in their order.
  Numbers(const Napi::Value& value, std::vector<std::string> inputs)
      : env_(value.Env()),
        values_(typed_array<double>(value, "numbers")),
        count_(values_.ElementLength()),
        inputs_(std::move(inputs)) {}

  double number(const char* name) override {
    if (next_ >= count_) reject(env_, std::string("expected a number for ") + name + " but the graph ends");
    return values_.Data()[next_++];
  }
  int integer(const char* name) override { return checked_small_integer(env_, number(name), name); }
  int count(const char* name) override {
    const int result = integer(name);
    if (result < 0 || static_cast<size_t>(result) > count_ - next_) {
      reject(env_, std::string("expected as many numbers as announced for ") + name);
    }
    return result;
  }
  std::string text(const char* name) override {
    if (next_input_ >= inputs_.size()) reject(env_, std::string("expected a ") + name + " for every input");
    return inputs_[next_input_++];
  }
  int64_t large_integer(const char* name) { return checked_integer(env_, number(name), name); }
  void finish() const {
    if (next_ != count_) reject(env_, "expected no numbers behind the last node");
  }
  Napi::Env env() const { return env_; }

 private:
  Napi::Env env_;
  Napi::TypedArrayOf<double> values_;
  size_t count_;
  size_t next_ = 0;
  std::vector<std::string> inputs_;
  size_t next_input_ = 0;
};

// [offset, size]; a size of 0 where the node has none.
ParameterPlace read_place(Numbers& numbers, const char* name) {
  const int64_t offset = numbers.large_integer(name);
  return {offset, numbers.large_integer(name)};
}

Shape read_shape(Numbers& numbers) {
  const int rank = numbers.count("shape");
  if (rank == 0) return {1, 1, 1};
  if (rank == 1) return {1, 1, numbers.large_integer("shape")};
  if (rank != 3) reject(numbers.env(), "expected a shape of zero, one or three sizes");
  const int64_t height = numbers.large_integer("shape"), width = numbers.large_integer("shape");
  return {height, width, numbers.large_integer("shape")};
}

// In the order in which src/backend/native/encode_nodes.ts writes a node; `ops`: what its numbers of ops mean.
Node read_node(Numbers& numbers, const std::vector<Op>& ops) {
  Node node;
  const int op = numbers.integer("op");
  if (op < 0 || op >= static_cast<int>(ops.size())) reject(numbers.env(), "expected one of the ops named");
  node.op = ops[op];
  node.inputs.resize(numbers.count("inputs"));
  for (int& input : node.inputs) input = numbers.integer("inputs");
  node.shape = read_shape(numbers);
  node.weight = read_place(numbers, "weight");
  node.bias = read_place(numbers, "bias");
  node.running_mean = read_place(numbers, "runningMean");
  node.running_variance = read_place(numbers, "runningVariance");
  node.alpha = read_place(numbers, "alpha");
  node.attributes = descriptor_of(node.op).read(numbers);
  return node;
}

std::vector<std::string> texts(const Napi::Object& value, const char* name) {
  std::vector<std::string> result;
  const Napi::Array list = array(value.Get(name), name);
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Value entry = list.Get(i);
    if (!entry.IsString()) reject(value.Env(), std::string("expected strings for ") + name);
    result.push_back(entry.As<Napi::String>());
  }
  return result;
}

}  // namespace

Graph read_graph(const Napi::Object& value) {
  std::vector<Op> ops;
  for (const std::string& op : texts(value, "ops")) ops.push_back(op_from_name(op));
  Numbers numbers(value.Get("numbers"), texts(value, "inputs"));
  Graph graph;
  const int nodes = numbers.count("nodes");
  graph.nodes.reserve(nodes);
  for (int i = 0; i < nodes; ++i) graph.nodes.push_back(read_node(numbers, ops));
  numbers.finish();
  graph.output = small_integer(value.Get("output"), "output");
  graph.weight_elements = integer(value, "weightElements");
  graph.buffer_elements = integer(value, "bufferElements");
  graph.alpha_elements = integer(value, "alphaElements");
  graph.state_elements = integer(value, "stateElements");
  return graph;
}

}  // namespace dartsmith::binding
