#include "engine/commands.h"

#include <cmath>

#include "engine/error.h"

namespace dartsmith {
namespace {

void check_parameters(const Program& program, const Parameters& parameters) {
  const Graph& graph = program.graph();
  if (parameters.elements(Arena::kWeights) != graph.weight_elements ||
      parameters.elements(Arena::kBuffers) != graph.buffer_elements ||
      parameters.elements(Arena::kAlpha) != graph.alpha_elements) {
    fail("execute", "expected parameters laid out for the program's graph");
  }
}

bool has_loss(const Program& program) {
  return program.graph().nodes[program.graph().output].op == Op::kSoftmaxCrossEntropy;
}

void check(const PassCommand& command) {
  const Program& program = *command.program;
  check_parameters(program, *command.parameters);
  program.check(command.batch);
  for (int id : command.read) {
    if (id < 0 || id >= static_cast<int>(program.graph().nodes.size())) fail("read", "expected a node but got ", id);
  }
  const int64_t alpha = program.graph().alpha_elements;
  for (const GivenMixing& given : command.mixing) {
    if (given.offset < 0 || given.offset + static_cast<int64_t>(given.weights.size()) > alpha) {
      fail("execute", "expected mixing weights within ", alpha, " but got ", given.weights.size(), " at ",
           given.offset);
    }
  }
  const bool wants_gradient = command.kind == PassKind::kVjp && !has_loss(program);
  const size_t elements =
      wants_gradient ? program.batch() * program.graph().nodes[program.graph().output].shape.elements() : 0;
  if (command.output_gradient.size() != elements) {
    fail("vjp", "expected an output gradient of ", elements, " elements but got ", command.output_gradient.size());
  }
  if (command.kind != PassKind::kEvaluate && command.kind != PassKind::kVjp && !has_loss(program)) {
    fail("gradients", "expected a graph whose output is a loss");
  }
}

void check(const HypergradientCommand& command) {
  check_parameters(*command.program, *command.parameters);
  command.program->check(command.train);
  command.program->check(command.validation);
  if (!has_loss(*command.program)) fail("hypergradient", "expected a graph whose output is a loss");
}

void check(const SgdCommand&) {}
void check(const AdamCommand&) {}

// ||values||^2 on the device.
class SquaredNorm {
 public:
  SquaredNorm(Device& device, const float* values, int64_t count)
      : backend_(*device.backend),
        result_(device.backend, sizeof(double)),
        workspace_(device.backend, backend_.sweeps().squared_norm_workspace_bytes(count)) {
    backend_.sweeps().squared_norm(backend_.stream(), values, count, result_.as<double>(), workspace_.as<void>());
  }

  const double* device_value() const { return result_.as<double>(); }

  double value() const {
    double host = 0;
    backend_.download(&host, result_.as<double>(), sizeof host);
    return host;
  }

 private:
  Backend& backend_;
  Buffer result_;
  Buffer workspace_;
};

Outcome execute(const PassCommand& command, const std::atomic<bool>& cancelled) {
  Outcome outcome;
  PassRequest request;
  request.kind = command.kind;
  request.statistics = command.statistics;
  request.batch = &command.batch;
  request.mixing = command.mixing;
  request.read = command.read;
  request.output_gradient = command.output_gradient;
  request.profile = command.profile;
  outcome.pass = command.program->run(request, *command.parameters, cancelled);
  if (has_loss(*command.program)) outcome.loss = outcome.pass.loss;
  return outcome;
}

// DESIGN section 4. Weights are restored from a copy whatever happens in between.
class Hypergradient {
 public:
  Hypergradient(const HypergradientCommand& command, const std::atomic<bool>& cancelled)
      : command_(command),
        cancelled_(cancelled),
        device_(command.program->device()),
        backend_(*device_.backend),
        parameters_(*command.parameters),
        count_(parameters_.elements(Arena::kWeights)),
        saved_(device_.backend, count_ * sizeof(float)),
        direction_(device_.backend, count_ * sizeof(float)),
        alpha_direct_(device_.backend, parameters_.elements(Arena::kAlpha) * sizeof(float)),
        alpha_plus_(device_.backend, parameters_.elements(Arena::kAlpha) * sizeof(float)) {
    backend_.copy(saved_.as<float>(), weights(), saved_.bytes());
  }

  ~Hypergradient() { backend_.copy(weights(), saved_.as<float>(), saved_.bytes()); }

  LossResult run() {
    gradients(PassKind::kWeights, command_.train, Statistics::kBatchUpdating);
    backend_.sweeps().unrolled_step(backend_.stream(), {.unrolled = weights(),
                                                        .weights = saved_.as<float>(),
                                                        .momentum_buffer = parameters_.data(Arena::kMomentum),
                                                        .gradients = parameters_.data(Arena::kWeightGradients),
                                                        .count = count_,
                                                        .learning_rate = command_.learning_rate,
                                                        .momentum = command_.momentum,
                                                        .weight_decay = command_.weight_decay});
    const LossResult validation = gradients(PassKind::kBoth, command_.validation, Statistics::kBatch);
    backend_.copy(direction_.as<float>(), parameters_.data(Arena::kWeightGradients), direction_.bytes());
    backend_.copy(alpha_direct_.as<float>(), alpha_gradients(), alpha_direct_.bytes());

    const SquaredNorm norm(device_, direction_.as<float>(), count_);
    perturbed_alpha_gradients(norm, 1);
    backend_.copy(alpha_plus_.as<float>(), alpha_gradients(), alpha_plus_.bytes());
    perturbed_alpha_gradients(norm, -1);
    backend_.sweeps().combine_hypergradient(backend_.stream(), {.target = alpha_direct_.as<float>(),
                                                                .plus = alpha_plus_.as<float>(),
                                                                .minus = alpha_gradients(),
                                                                .count = parameters_.elements(Arena::kAlpha),
                                                                .squared_norm = norm.device_value(),
                                                                .learning_rate = command_.learning_rate,
                                                                .radius = command_.radius});
    backend_.copy(alpha_gradients(), alpha_direct_.as<float>(), alpha_direct_.bytes());
    return validation;
  }

 private:
  float* weights() const { return parameters_.data(Arena::kWeights); }
  float* alpha_gradients() const { return parameters_.data(Arena::kAlphaGradients); }

  LossResult gradients(PassKind kind, const Batch& batch, Statistics statistics) {
    PassRequest request;
    request.kind = kind;
    request.statistics = statistics;
    request.batch = &batch;
    return command_.program->run(request, parameters_, cancelled_).loss;
  }

  void perturbed_alpha_gradients(const SquaredNorm& norm, float sign) {
    backend_.sweeps().perturb(backend_.stream(), {.perturbed = weights(),
                                                  .weights = saved_.as<float>(),
                                                  .direction = direction_.as<float>(),
                                                  .count = count_,
                                                  .squared_norm = norm.device_value(),
                                                  .radius = command_.radius,
                                                  .sign = sign});
    gradients(PassKind::kAlpha, command_.train, Statistics::kBatchUpdating);
  }

  const HypergradientCommand& command_;
  const std::atomic<bool>& cancelled_;
  Device& device_;
  Backend& backend_;
  const Parameters& parameters_;
  const int64_t count_;
  Buffer saved_;         // w
  Buffer direction_;     // v
  Buffer alpha_direct_;  // dL_V/dα at w'
  Buffer alpha_plus_;    // dL_T/dα at w + εv
};

Outcome execute(const HypergradientCommand& command, const std::atomic<bool>& cancelled) {
  Outcome outcome;
  outcome.loss = Hypergradient(command, cancelled).run();
  return outcome;
}

Outcome execute(const SgdCommand& command, const std::atomic<bool>&) {
  const Parameters& parameters = *command.parameters;
  Backend& backend = *command.device->backend;
  const int64_t count = parameters.elements(Arena::kWeights);
  const SquaredNorm norm(*command.device, parameters.data(Arena::kWeightGradients), count);
  backend.sweeps().sgd(backend.stream(), {.weights = parameters.data(Arena::kWeights),
                                          .momentum_buffer = parameters.data(Arena::kMomentum),
                                          .gradients = parameters.data(Arena::kWeightGradients),
                                          .count = count,
                                          .squared_norm = norm.device_value(),
                                          .learning_rate = command.learning_rate,
                                          .momentum = command.momentum,
                                          .weight_decay = command.weight_decay,
                                          .max_norm = command.max_norm});
  Outcome outcome;
  outcome.gradient_norm = std::sqrt(norm.value());
  return outcome;
}

Outcome execute(const AdamCommand& command, const std::atomic<bool>&) {
  const Parameters& parameters = *command.parameters;
  Backend& backend = *command.device->backend;
  backend.sweeps().adam(backend.stream(), {.values = parameters.data(Arena::kAlpha),
                                           .mean = parameters.data(Arena::kAlphaMean),
                                           .variance = parameters.data(Arena::kAlphaVariance),
                                           .gradients = parameters.data(Arena::kAlphaGradients),
                                           .count = parameters.elements(Arena::kAlpha),
                                           .learning_rate = command.learning_rate,
                                           .beta1 = command.beta1,
                                           .beta2 = command.beta2,
                                           .epsilon = command.epsilon,
                                           .weight_decay = command.weight_decay,
                                           .step = command.step});
  return {};
}

}  // namespace

void check(const Command& command) {
  std::visit([](const auto& c) { check(c); }, command);
}

Outcome execute(const Command& command, const std::atomic<bool>& cancelled) {
  return std::visit([&](const auto& c) { return execute(c, cancelled); }, command);
}

}  // namespace dartsmith
