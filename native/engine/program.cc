#include "engine/program.h"

#include <algorithm>
#include <bit>
#include <sstream>
#include <utility>

#include "engine/error.h"
#include "engine/executor.h"
#include "engine/lower.h"
#include "engine/ops/descriptor.h"

namespace dartsmith {
namespace {

// Of one tensor; keeps every sum of bytes far from overflow.
constexpr double kMaxBatchElements = 1099511627776.0;

std::vector<MixingRow> mixing_rows(const Graph& graph) {
  std::vector<MixingRow> rows;
  for (const Node& node : graph.nodes) {
    if (node.op == Op::kRecurrentCell && node.alpha) {
      const int64_t length = node.own<RecurrentCellAttributes>().candidate_count;
      for (int64_t row = 0; row < node.alpha.size; row += length) {
        rows.push_back({node.alpha.offset + row, length, MixingForm::kSoftmax});
      }
    }
    if (node.op != Op::kMixed) continue;
    const bool sigmoid = node.own<MixedAttributes>().activation == MixingActivation::kSigmoid;
    const MixingForm form = sigmoid ? MixingForm::kSigmoid : MixingForm::kSoftmax;
    const auto known = std::ranges::find(rows, node.alpha.offset, &MixingRow::offset);
    if (known == rows.end()) {
      rows.push_back({node.alpha.offset, node.alpha.size, form});
    } else if (known->form != form) {
      fail("mixed", "expected one activation for all mixed nodes that share a row");
    }
  }
  return rows;
}

}  // namespace

Program::Program(std::shared_ptr<Device> device, Graph graph, int64_t columns, int64_t length, bool fuse,
                 Precision precision)
    : device_(std::move(device)),
      graph_(std::move(graph)),
      batch_(columns * std::max<int64_t>(1, length)),
      columns_(length > 0 ? columns : 0),
      fuse_(fuse),
      precision_(precision) {
  if (!device_->backend->computes_in(precision)) {
    fail("compile", "expected precision fp32 or bf16 but got tf32: it needs the tensor cores of an NVIDIA GPU");
  }
  constexpr int64_t kMost = 65536;
  if (columns < 1 || columns > kMost || length < 0 || length > kMost || batch_ > kMost) {
    fail("compile", "expected 1 to ", kMost, " samples in a batch but got ", columns, " x ", length);
  }
  validate(graph_);
  check_sequences();
  for (const Node& node : graph_.nodes) {
    if (static_cast<double>(batch_) * node.shape.elements() > kMaxBatchElements) {
      fail(op_name(node.op), "expected fewer than 2^40 elements in a batch: use a smaller batch");
    }
  }
  rows_ = mixing_rows(graph_);
  const std::shared_ptr<Backend>& backend = device_->backend;
  for (const Node& node : graph_.nodes) {
    if (node.op == Op::kNoise && node.own<NoiseAttributes>().always) always_draws_ = true;
    if (!descriptor_of(node.op).reads_labels) continue;
    reads_labels_ = true;
    label_limit_ = std::min(label_limit_, graph_.nodes[node.inputs[0]].shape.channels);
  }
  mixing_ = Buffer(backend, graph_.alpha_elements * sizeof(float));
  mixing_gradients_ = Buffer(backend, graph_.alpha_elements * sizeof(double));
  labels_ = Buffer(backend, 2 * batch_ * sizeof(int32_t));
}

const Plan& Program::plan(const PlanKey& key) {
  const auto known = plans_.find(key);
  if (known != plans_.end()) return known->second;
  const Backend& backend = *device_->backend;
  Lowered lowered = lower(graph_, key.fused, backend);
  std::optional<Slicing> slicing;
  if (key.sliced) slicing = choose_slicing(lowered, batch_, precision_, backend);
  return plans_
      .emplace(key, make_plan(std::move(lowered), {batch_, columns_}, key.kind, precision_, backend, key.ranges,
                              slicing, recompute_))
      .first->second;
}

// Nodes that fusion leaves without a value are read from an unfused pass.
PlanKey Program::key_for(const PassRequest& request) {
  const auto has_all = [&](const PlanKey& key) {
    return std::ranges::all_of(request.read, [&](int id) { return plan(key).graph.of_original[id] >= 0; });
  };
  PlanKey key{request.kind, fuse_, slices(request), request.ranges};
  if (fuse_ && has_all(key)) return key;
  key.fused = false;
  if (!has_all(key)) fail("read", "expected nodes that are computed on the way to the graph's output");
  return key;
}

// Where no sample meets another, and there is at least one for each worker.
bool Program::slices(const PassRequest& request) const {
  const int workers = device_->backend->slice_workers();
  return workers > 0 && columns_ == 0 && batch_ >= workers && request.kind == PassKind::kEvaluate &&
         request.statistics == Statistics::kRunning &&
         !std::visit([](const BatchBase& batch) { return batch.dropout.active != 0; }, *request.batch);
}

void Program::check(const Batch& batch) const {
  const bool draws = std::visit([](const BatchBase& base) { return base.dropout.active != 0; }, batch);
  if (always_draws_ && !draws) fail("batch", "expected what the noise of the graph draws from");
  std::visit([&](const BatchBase& base) { check_masks(base); }, batch);
  if (const auto* gathered = std::get_if<GatheredBatch>(&batch)) {
    const auto reads_text = [](const Node& node) { return node.op == Op::kEmbedding || node.op == Op::kTiedLinear; };
    if (columns_ > 0 || std::ranges::any_of(graph_.nodes, reads_text)) {
      fail("batch", "expected text to be given, not gathered");
    }
    check(*gathered);
  } else {
    check(std::get<DirectBatch>(batch));
  }
}

void Program::check(const GatheredBatch& batch) const {
  if (static_cast<int64_t>(batch.indices.size()) != batch_) {
    fail("batch", "expected ", batch_, " indices but got ", batch.indices.size());
  }
  for (uint32_t index : batch.indices) {
    if (index >= batch.dataset->count)
      fail("batch", "expected indices below ", batch.dataset->count, " but got ", index);
  }
  if (batch.dataset->classes > label_limit_) {
    fail("batch", "expected labels below ", label_limit_, " but the dataset has ", batch.dataset->classes - 1);
  }
  check_inputs(batch.inputs, batch_);
  int left = 0;
  for (size_t id = 0; id < graph_.nodes.size(); ++id) {
    const Node& node = graph_.nodes[id];
    if (node.op != Op::kInput || batch.inputs.contains(static_cast<int>(id))) continue;
    ++left;
    if (!(node.shape == batch.dataset->shape)) fail("batch", "expected images of the input's shape");
  }
  if (left != 1) fail("batch", "expected one input that is not given, for the images, but there are ", left);
}

void Program::check_inputs(const std::map<int, std::vector<float>>& inputs, int64_t samples) const {
  for (const auto& [id, values] : inputs) {
    if (id < 0 || id >= static_cast<int>(graph_.nodes.size()) || graph_.nodes[id].op != Op::kInput) {
      fail("batch", "expected values for inputs of the graph but got some for node ", id);
    }
    const int64_t elements = samples * graph_.nodes[id].shape.elements();
    if (static_cast<int64_t>(values.size()) != elements) {
      fail("batch", "expected ", elements, " elements for input '", graph_.nodes[id].own<InputAttributes>().name,
           "' but got ", values.size());
    }
    check_integers(id, values);
  }
}

void Program::check_integers(int id, const std::vector<float>& bits) const {
  const int below = graph_.nodes[id].own<InputAttributes>().below;
  if (below == 0) return;
  for (const float value : bits) {
    const auto integer = std::bit_cast<int32_t>(value);
    if (integer < 0 || integer >= below) fail("batch", "expected integers below ", below, " but got ", integer);
  }
}

void Program::check_masks(const BatchBase& batch) const {
  std::map<int, int64_t> known;
  for (const Node& node : graph_.nodes) {
    for (const MaskPlan& mask : masks_of(node)) known[mask.attributes.number] = mask.elements(columns_);
  }
  for (const auto& [number, values] : batch.masks) {
    const auto expected = known.find(number);
    if (expected == known.end()) fail("batch", "expected masks of the graph but got number ", number);
    if (static_cast<int64_t>(values.size()) == expected->second) continue;
    fail("batch", "expected ", expected->second, " elements of a mask but got ", values.size());
  }
}

void Program::check_hidden(const ParameterPlace& place) const {
  if (!place) return;
  const auto cell = std::ranges::find(graph_.nodes, Op::kRecurrentCell, &Node::op);
  if (cell == graph_.nodes.end()) fail("batch", "expected a graph with a recurrent cell for hidden states");
  if (place.size != columns_ * cell->shape.channels || place.offset < 0 ||
      place.offset > graph_.state_elements - place.size) {
    fail("batch", "expected a state of ", columns_ * cell->shape.channels, " elements but got ", place.size);
  }
}

void Program::check_sequences() const {
  int cells = 0;
  for (const Node& node : graph_.nodes) {
    if (columns_ == 0 && descriptor_of(node.op).reads_times) fail(op_name(node.op), "expected a program of sequences");
    cells += node.op == Op::kRecurrentCell;
  }
  if (cells > 1) fail("recurrentCell", "expected one in a graph but got ", cells);
}

void Program::check(Statistics statistics) const {
  if (columns_ != 1 || statistics == Statistics::kRunning) return;
  for (const Node& node : graph_.nodes) {
    if (node.op == Op::kRecurrentCell && descriptor_of(node.op).norm(node) != nullptr) {
      fail("recurrentCell", "expected at least 2 columns for the statistics of a batch");
    }
  }
}

int64_t Program::samples(const Batch& batch) const {
  const auto* direct = std::get_if<DirectBatch>(&batch);
  return direct == nullptr ? batch_ : samples(*direct);
}

int64_t Program::samples(const DirectBatch& batch) const {
  if (columns_ == 0 || batch.inputs.empty()) return batch_;
  const auto& [id, values] = *batch.inputs.begin();
  if (id < 0 || id >= static_cast<int>(graph_.nodes.size())) return batch_;
  const int64_t samples = static_cast<int64_t>(values.size()) / graph_.nodes[id].shape.elements();
  if (samples < columns_ || samples > batch_ || samples % columns_ != 0) {
    fail("batch", "expected 1 to ", batch_ / columns_, " times of ", columns_, " columns but got ", samples,
         " samples");
  }
  return samples;
}

void Program::check(const DirectBatch& batch) const {
  const int64_t samples = this->samples(batch);
  check_inputs(batch.inputs, samples);
  check_hidden(batch.hidden_from);
  check_hidden(batch.hidden_to);
  for (size_t id = 0; id < graph_.nodes.size(); ++id) {
    if (graph_.nodes[id].op == Op::kInput && !batch.inputs.contains(static_cast<int>(id))) {
      fail("batch", "expected input '", graph_.nodes[id].own<InputAttributes>().name, "'");
    }
  }
  // Where no loss reads labels any number of them may be given, and none are kept.
  if (!reads_labels_) return;
  if (static_cast<int64_t>(batch.labels.size()) != samples) {
    fail("batch", "expected ", samples, " labels but got ", batch.labels.size());
  }
  for (int32_t label : batch.labels) {
    if (label < 0 || label >= label_limit_) fail("batch", "expected labels below ", label_limit_, " but got ", label);
  }
}

PassResult Program::run(const PassRequest& request, const Parameters& parameters, const std::atomic<bool>& cancelled) {
  return execute(*this, plan_that_fits(key_for(request)), request, parameters, cancelled);
}

// Keeps less for backward as far as that takes a pass in where memory would end.
const Plan& Program::plan_that_fits(const PlanKey& key) {
  const Recompute before = recompute_;
  for (;;) {
    const Plan& plan = this->plan(key);
    try {
      device_->arena(static_cast<size_t>(plan.arena_bytes));
      if (recompute_ > device_->recompute) device_->recompute = recompute_;
      return plan;
    } catch (const OutOfMemory& error) {
      if (keep_less(key)) continue;
      const OutOfMemory refused = refusal(key, error);
      keep(before);
      throw refused;
    }
  }
}

// The next level at which a pass needs less; false where there is none.
bool Program::keep_less(const PlanKey& key) {
  const int64_t needed = plan(key).arena_bytes;
  while (recompute_ != Recompute::kAll) {
    keep(recompute_ == Recompute::kNone ? Recompute::kSingle : Recompute::kAll);
    if (plan(key).arena_bytes < needed) return true;
  }
  return false;
}

void Program::keep(Recompute recompute) {
  if (recompute_ != recompute) plans_.clear();
  recompute_ = recompute;
}

OutOfMemory Program::refusal(const PlanKey& key, const OutOfMemory& error) {
  const auto mebibytes = [](int64_t bytes) { return (bytes + (1 << 20) - 1) >> 20; };
  // The largest batch whose plan fits, by bisection.
  int64_t fits = 0, fails = batch_;
  while (fails - fits > 1) {
    const int64_t batch = (fits + fails) / 2;
    const Plan smaller = make_plan(lower(graph_, key.fused, *device_->backend), {batch, columns_}, key.kind, precision_,
                                   *device_->backend, key.ranges, std::nullopt, recompute_);
    (static_cast<size_t>(smaller.arena_bytes) <= error.free_bytes ? fits : fails) = batch;
  }
  std::ostringstream advice;
  if (fits > 0) {
    advice << "a batch of " << fits << " would fit";
  } else {
    advice << "not even a batch of 1 would fit";
  }
  return OutOfMemory("this program needs " + std::to_string(mebibytes(plan(key).arena_bytes)) +
                         " MiB of working memory at batch " + std::to_string(batch_) + " but " +
                         std::to_string(error.free_bytes >> 20) + " MiB can be had: " + advice.str(),
                     error.free_bytes);
}

}  // namespace dartsmith
