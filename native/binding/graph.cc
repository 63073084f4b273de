#include <string>
#include <vector>

#include "binding/readers.h"

namespace dartsmith::binding {
namespace {

// The numbers of a graph, one after another: an object a node would cost ten times as long to read, on the JavaScript
// thread. Every number is checked; what is left out or too much is an error.
class Numbers {
 public:
  explicit Numbers(const Napi::Value& value)
      : env_(value.Env()), values_(typed_array<double>(value, "numbers")), count_(values_.ElementLength()) {}

  double number(const char* name) {
    if (next_ >= count_) reject(env_, std::string("expected a number for ") + name + " but the graph ends");
    return values_.Data()[next_++];
  }
  int64_t integer(const char* name) { return binding::checked_integer(env_, number(name), name); }
  int small_integer(const char* name) { return binding::checked_small_integer(env_, number(name), name); }
  float single(const char* name) { return static_cast<float>(number(name)); }
  bool flag(const char* name) { return small_integer(name) != 0; }
  // Of a list whose entries follow.
  int count(const char* name) {
    const int result = small_integer(name);
    if (result < 0 || static_cast<size_t>(result) > count_ - next_) {
      reject(env_, std::string("expected as many numbers as announced for ") + name);
    }
    return result;
  }
  void finish() const {
    if (next_ != count_) reject(env_, "expected no numbers behind the last node");
  }
  Napi::Env env() const { return env_; }

 private:
  Napi::Env env_;
  Napi::TypedArrayOf<double> values_;
  size_t count_;
  size_t next_ = 0;
};

void read_pair(Numbers& numbers, const char* name, int (&pair)[2]) {
  for (int& axis : pair) axis = numbers.small_integer(name);
}

// [offset, size]; a size of 0 where the node has none.
ParameterPlace read_place(Numbers& numbers, const char* name) {
  const int64_t offset = numbers.integer(name);
  return {offset, numbers.integer(name)};
}

Shape read_shape(Numbers& numbers) {
  const int rank = numbers.count("shape");
  if (rank == 0) return {1, 1, 1};
  if (rank == 1) return {1, 1, numbers.integer("shape")};
  if (rank != 3) reject(numbers.env(), "expected a shape of zero, one or three sizes");
  const int64_t height = numbers.integer("shape"), width = numbers.integer("shape");
  return {height, width, numbers.integer("shape")};
}

void read_loss_weights(Numbers& numbers, float* weights) {
  const int count = numbers.count("weights");
  if (count > kMostLogits) fail("weights", "expected at most ", kMostLogits, " but got ", count);
  for (int i = 0; i < count; ++i) weights[i] = numbers.single("weights");
}

// What the ops and the graph's inputs are called.
struct Names {
  std::vector<Op> ops;
  std::vector<std::string> inputs;
  size_t next_input = 0;
};

// In the order in which src/backend/native/encode.ts writes a node.
Node read_node(Numbers& numbers, Names& names) {
  Node node;
  const int op = numbers.small_integer("op");
  if (op < 0 || op >= static_cast<int>(names.ops.size())) reject(numbers.env(), "expected one of the ops named");
  node.op = names.ops[op];
  node.inputs.resize(numbers.count("inputs"));
  for (int& input : node.inputs) input = numbers.small_integer("inputs");
  node.shape = read_shape(numbers);
  read_pair(numbers, "kernel", node.window.kernel);
  read_pair(numbers, "stride", node.window.stride);
  read_pair(numbers, "padding", node.window.padding);
  read_pair(numbers, "dilation", node.window.dilation);
  node.groups = numbers.small_integer("groups");
  node.count_include_pad = numbers.flag("countIncludePad");
  node.epsilon = numbers.single("epsilon");
  node.momentum = numbers.single("momentum");
  node.top = numbers.small_integer("top");
  node.left = numbers.small_integer("left");
  node.rate = numbers.single("rate");
  node.whole_samples = numbers.flag("drops");
  node.number = numbers.small_integer("number");
  node.smoothing = numbers.single("smoothing");
  read_loss_weights(numbers, node.loss_weights);
  node.weight = read_place(numbers, "weight");
  node.bias = read_place(numbers, "bias");
  node.running_mean = read_place(numbers, "runningMean");
  node.running_variance = read_place(numbers, "runningVariance");
  node.alpha = read_place(numbers, "alpha");
  node.activation = numbers.flag("activation") ? MixingActivation::kSigmoid : MixingActivation::kSoftmax;
  node.branches.resize(numbers.count("branches"));
  for (Branch& branch : node.branches) {
    branch.begin = numbers.small_integer("begin");
    branch.end = numbers.small_integer("end");
    branch.output = numbers.small_integer("output");
  }
  if (node.op == Op::kInput) {
    if (names.next_input >= names.inputs.size()) reject(numbers.env(), "expected a name for every input");
    node.name = names.inputs[names.next_input++];
  }
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
  Names names;
  for (const std::string& op : texts(value, "ops")) names.ops.push_back(op_from_name(op));
  names.inputs = texts(value, "inputs");
  Numbers numbers(value.Get("numbers"));
  Graph graph;
  const int nodes = numbers.count("nodes");
  graph.nodes.reserve(nodes);
  for (int i = 0; i < nodes; ++i) graph.nodes.push_back(read_node(numbers, names));
  numbers.finish();
  graph.output = small_integer(value.Get("output"), "output");
  graph.weight_elements = integer(value, "weightElements");
  graph.buffer_elements = integer(value, "bufferElements");
  graph.alpha_elements = integer(value, "alphaElements");
  return graph;
}

}  // namespace dartsmith::binding
