// Every op of the engine, listed once: what has an entry an op (descriptors, each backend's kernels) is made from the
// list, so that none can be left out.
#pragma once

namespace dartsmith {

// OP(enumerator, name) for ops that kernels compute, ABSTRACT(enumerator, name) for others: a batch fills inputs, and
// lowering takes mixed nodes apart. The name is that of the descriptor (engine/ops) and of each backend's OpKernels. A
// macro, since no template declares names.
#define DARTSMITH_OPS(OP, ABSTRACT)                        \
  ABSTRACT(kInput, input)                                  \
  OP(kConv2d, conv2d)                                      \
  OP(kBatchNorm, batch_norm)                               \
  OP(kRelu, relu)                                          \
  OP(kMaxPool, max_pool)                                   \
  OP(kAvgPool, avg_pool)                                   \
  OP(kGlobalAvgPool, global_avg_pool)                      \
  OP(kLinear, linear)                                      \
  OP(kAdd, add)                                            \
  OP(kConcat, concat)                                      \
  OP(kCrop, crop)                                          \
  OP(kZero, zero)                                          \
  ABSTRACT(kMixed, mixed)                                  \
  OP(kSoftmaxCrossEntropy, softmax_cross_entropy)          \
  OP(kDropout, dropout)                                    \
  OP(kTanh, tanh)                                          \
  OP(kSigmoid, sigmoid)                                    \
  OP(kScale, scale)                                        \
  OP(kSoftmaxScale, softmax_scale)                         \
  OP(kNoise, noise)                                        \
  OP(kDetach, detach)                                      \
  OP(kDistillation, distillation)                          \
  OP(kSmoothL1, smooth_l1)                                 \
  OP(kMeanSquaredError, mean_squared_error)                \
  OP(kCosineDistance, cosine_distance)                     \
  OP(kLossSum, loss_sum)                                   \
  OP(kEmbedding, embedding)                                \
  OP(kVariationalDropout, variational_dropout)             \
  OP(kRecurrentCell, recurrent_cell)                       \
  OP(kTiedLinear, tied_linear)                             \
  OP(kMeanSquare, mean_square)                             \
  OP(kSlowness, slowness)                                  \
  /* Made by lowering (engine/lower.h), never by users. */ \
  OP(kCombine, combine)                                    \
  OP(kSeparable, separable)                                \
  OP(kMoments, moments)                                    \
  OP(kPooledMoments, pooled_moments)                       \
  OP(kTiedCrossEntropy, tied_cross_entropy)

#define DARTSMITH_ENUMERATOR(op, name) op,
enum class Op { DARTSMITH_OPS(DARTSMITH_ENUMERATOR, DARTSMITH_ENUMERATOR) };
#undef DARTSMITH_ENUMERATOR

#define DARTSMITH_ONE(op, name) +1
inline constexpr int kOpCount = DARTSMITH_OPS(DARTSMITH_ONE, DARTSMITH_ONE);
#undef DARTSMITH_ONE

}  // namespace dartsmith
