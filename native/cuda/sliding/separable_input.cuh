// The input side of a separable's backward, by warps that slide down the rows of the depthwise outputs' gradient: the
// gradient of the input and, where wanted, of the depthwise weights; each loaded element of the gradient serves both.
// A lane owns four columns of one channel of the input. A block owns a region of the input, so that all members that
// read it add to the same pixels one after another, whatever their windows; its warps are either four neighbouring
// strips or, where taps lie two apart, the four images of every second row and column.
#pragma once
#include "cuda/sliding/lanes.cuh"

namespace dartsmith::cuda::sliding {

inline constexpr int kInputMembers = 32;  // of a launch

struct InputMember {
  int kernel;
  MotionKind motion;
  int out_height, out_width;
  const float* depthwise;          // [taps, C]
  const void* depthwise_gradient;  // of the depthwise outputs
  float* partials;                 // [regions of all images, taps, C]; null where no weight gradient is wanted
};

// An input with the members that read it, one behind another.
struct InputRun {
  int height, width;
  int rows;          // of a strip; a region has two by two strips
  int down, across;  // regions of an image
  const void* input;
  Reading reading;
  void* target;
  GradientMode mode;
  float* gradient_map;  // of a normalised input, which one member reads
  float* scale_gradient;
  float* shift_gradient;
  double statistics_pixels;  // see the function of that name
  Partials sums;             // [2, C, regions of all images]
  unsigned* ticket;
  int first, count;  // members
  Index blocks, first_block;
  int channels;
};

struct alignas(16) InputPhase {
  int count = 0, member_count = 0;
  InputRun runs[kMembers];
  InputMember members[kInputMembers];
};

template <int kChannels>
struct InputShape {
  static constexpr int kOwn = kChannels > 0 && kChannels < kLanes ? kChannels : kLanes;  // channels of a warp
  static constexpr int kColumns = kLanes / kOwn * kQuadColumns;                          // of a warp
  // Of channels, which blocks share; of the last one a part may be missing.
  __host__ __device__ static int parts(Channels<kChannels> channels) { return (channels + kOwn - 1) / kOwn; }
};

template <int kChannels>
struct InputParts {
  static constexpr int kTaps = 25;
  float* activation;   // [3, channels of a warp]
  float* weight_sums;  // [kUnits, taps, channels of a warp]
  float* moments;      // [kUnits, 2, channels of a warp]
  unsigned* flag;
  __host__ __device__ explicit InputParts(Shared& shared)
      : activation(shared.take<float>(activation_floats(InputShape<kChannels>::kOwn))),
        weight_sums(shared.take<float>(kUnits * kTaps * InputShape<kChannels>::kOwn)),
        moments(shared.take<float>(kUnits * 2 * InputShape<kChannels>::kOwn)),
        flag(shared.take<unsigned>(1)) {}
};

// What a warp owns of a region: rows and columns of every kStep-th pixel of the input from its parity on.
struct OwnInput {
  Index image;
  int row_parity, column_parity;
  int top, left;      // on the image of one parity
  int rows, columns;  // of that image

  template <int kStep>
  __device__ static OwnInput of(const InputRun& run, Index region, int warp_columns) {
    const Index an_image = static_cast<Index>(run.down * run.across);
    OwnInput own;
    own.image = region / an_image;
    const int rest = static_cast<int>(region - own.image * an_image), warp = warp_number();
    const int down = warp >> 1, right = warp & 1;
    own.row_parity = kStep == 2 ? down : 0;
    own.column_parity = kStep == 2 ? right : 0;
    own.top = (rest / run.across * (2 / kStep) + (kStep == 2 ? 0 : down)) * run.rows;
    own.left = (rest % run.across * (2 / kStep) + (kStep == 2 ? 0 : right)) * warp_columns;
    own.rows = every(run.height, kStep, own.row_parity);
    own.columns = every(run.width, kStep, own.column_parity);
    return own;
  }
};

// A warp's share of one member. The ring holds rows of sums of the input's gradient and of the activated input; a turn
// takes a row of the depthwise outputs' gradient and finishes kStride rows of the input.
template <int kKernel, typename Motion, int kChannels, bool half, bool kWeights>
class InputUnit {
  static constexpr int kStride = Motion::kStride, kStep = Motion::kInStep, kOutStep = Motion::kOutStep;
  static constexpr int kBefore = kKernel / 2;
  static constexpr int kSpan = kStride == 1 ? kKernel + 3 : 4;  // columns of the gradient
  static constexpr int kElementBytes = half ? 2 : 4;
  using Shape = InputShape<kChannels>;
  using Own = Elements<half, 1>;
  using Bits = typename Own::Bits;
  using InputReader = RowReader<kQuadColumns, kStep, kChannels, half, 1>;
  using GradientReader = RowReader<kSpan, kOutStep, kChannels, half, 1>;

 public:
  // A lane whose channel does not exist sees an image without columns.
  __device__ InputUnit(const InputRun& run, const InputMember& member, const OwnInput& own, int channel,
                       const float* activation)
      : run_(run),
        own_(own),
        channels_(run.channels),
        exists_(kChannels > 0 || channel < channels_),
        channel_(exists_ ? channel : channels_ - 1),
        activation_(activation) {
#pragma unroll
    for (int tap = 0; tap < kKernel * kKernel; ++tap) {
      weights_[tap] = member.depthwise[tap * channels_ + channel_];
      weight_sums_[tap] = 0;
    }
#pragma unroll
    for (int j = 0; j < kKernel; ++j) {
#pragma unroll
      for (int c = 0; c < kQuadColumns; ++c) sums_[j][c] = inputs_[j][c] = 0;
    }
  }

  // `accumulates` says whether the gradient is added to what is there.
  __device__ __forceinline__ void run(const InputMember& member, bool accumulates) {
    const int lane = lane_number();
    const int left = own_.left + lane / Shape::kOwn * kQuadColumns;
    // An image of one parity and its outputs' have as many rows at stride 1.
    const int out_parity_row = kOutStep == 2 ? own_.row_parity : 0;
    const int out_parity_column = kOutStep == 2 ? own_.column_parity : 0;
    const bool touched = kStep == kOutStep || (own_.row_parity == 0 && own_.column_parity == 0);
    const int out_rows = touched ? every(member.out_height, kOutStep, out_parity_row) : 0;
    const int out_columns = exists_ ? every(member.out_width, kOutStep, out_parity_column) : 0;
    const int first = kStride == 1 ? own_.top - kBefore : own_.top / 2 - 1;
    const int end = kStride == 1 ? own_.top + run_.rows + kBefore : (own_.top + run_.rows) / 2 + 1;
    const int first_column = kStride == 1 ? left - kBefore : left / 2 - 1;
    const int first_row = first > 0 ? first : 0;
    const int64_t out_row = int64_t{own_.image} * member.out_height + first_row * kOutStep + out_parity_row;
    GradientReader gradient(member.depthwise_gradient,
                            out_row * member.out_width + first_column * kOutStep + out_parity_column,
                            member.out_width * kOutStep, channel_, first_column, out_columns, channels_);
    const int64_t in_row = int64_t{own_.image} * run_.height + own_.top * kStep + own_.row_parity;
    const int64_t pixel = in_row * run_.width + left * kStep + own_.column_parity;
    InputReader input(run_.input, pixel, run_.width * kStep, channel_, left, exists_ ? own_.columns : 0, channels_);
    offset_ = (pixel * channels_ + channel_) * kElementBytes;
    pitch_ = run_.width * kStep * channels_ * kElementBytes;
    const int rows = own_.rows - own_.top < run_.rows ? own_.rows - own_.top : run_.rows;  // that there are
    const int most = end < out_rows ? end : out_rows;
    Bits bits[kSpan], input_bits[kStride][kQuadColumns];
    gradient.take(first_row < most, bits);
    const auto ask_input = [&](int turn) {
#pragma unroll
      for (int i = 0; i < kStride; ++i) {
        const int row = kStride * turn - kBefore + kKernel - kStride + i - own_.top;
        if (row >= 0)
          input.take(row < rows, input_bits[i]);
        else
          clear(input_bits[i]);
      }
    };
    ask_input(first);
#pragma unroll 1
    for (int turn = first; turn < end; ++turn) {
      // What the rows that this turn finishes need from memory is asked for before they are computed.
      Bits late[kStride][kQuadColumns];
#pragma unroll
      for (int i = 0; i < kStride; ++i) {
        const int row = kStride * turn - kBefore + i - own_.top;
        ask_late(input, row, row >= 0 && row < rows, accumulates, late[i]);
      }
      take_input(input, turn, rows, input_bits);
      ask_input(turn + 1);
      if (turn >= 0 && turn < out_rows) {
        float values[kSpan];
#pragma unroll
        for (int i = 0; i < kSpan; ++i) values[i] = Own::value(bits[i]);
        gradient.take(turn + 1 < most, bits);
        add(values);
      } else {
        skip();
      }
#pragma unroll
      for (int i = 0; i < kStride; ++i) {
        const int row = kStride * turn - kBefore + i - own_.top;
        if (row >= 0 && row < rows) finish_row(i, row, input, accumulates, late[i]);
      }
    }
  }
  __device__ __forceinline__ float weight_sum(int tap) const {
    return weight_sums_[tap];
  }
  // Of the finished gradient, and of its product with the input's distance from its mean.
  __device__ __forceinline__ float gradients() const {
    return gradients_;
  }
  __device__ __forceinline__ float products() const {
    return products_;
  }

 private:
  __device__ static __forceinline__ void clear(Bits (&bits)[kQuadColumns]) {
#pragma unroll
    for (int c = 0; c < kQuadColumns; ++c) bits[c] = Bits{};
  }
  // The ring of the activated input moves on; what does not belong to this warp counts as 0.
  __device__ __forceinline__ void take_input(const InputReader& reader, int turn, int rows,
                                             const Bits (&bits)[kStride][kQuadColumns]) {
#pragma unroll
    for (int j = 0; j + kStride < kKernel; ++j) {
#pragma unroll
      for (int c = 0; c < kQuadColumns; ++c) inputs_[j][c] = inputs_[j + kStride][c];
    }
    const SingleActivation<Shape::kOwn> activate(activation_);
#pragma unroll
    for (int i = 0; i < kStride; ++i) {
      const int row = kStride * turn - kBefore + kKernel - kStride + i - own_.top;
#pragma unroll
      for (int c = 0; c < kQuadColumns; ++c) {
        inputs_[kKernel - kStride + i][c] =
            row >= 0 && row < rows && reader.has(c) ? activate(Own::value(bits[i][c])) : 0.0f;
      }
    }
  }
  // Which loaded column meets input column c by tap column kx; below 0 for none.
  static constexpr int met(int c, int kx) {
    if (kStride == 1) return c + 2 * kBefore - kx;
    return (c + kBefore - kx + 16) % 2 == 0 ? (c + kBefore - kx + 16) / 2 - 8 + 1 : -1;
  }
  __device__ __forceinline__ void add(const float (&values)[kSpan]) {
#pragma unroll
    for (int j = 0; j < kKernel; ++j) {
#pragma unroll
      for (int c = 0; c < kQuadColumns; ++c) {
        float sum = j + kStride < kKernel ? sums_[j + kStride][c] : 0.0f;
#pragma unroll
        for (int kx = 0; kx < kKernel; ++kx) {
          if (met(c, kx) < 0) continue;
          const float value = values[met(c, kx)];
          sum = fmaf(weights_[j * kKernel + kx], value, sum);
          if constexpr (kWeights) {
            weight_sums_[j * kKernel + kx] = fmaf(inputs_[j][c], value, weight_sums_[j * kKernel + kx]);
          }
        }
        sums_[j][c] = sum;
      }
    }
  }
  __device__ __forceinline__ void skip() {
#pragma unroll
    for (int j = 0; j < kKernel; ++j) {
#pragma unroll
      for (int c = 0; c < kQuadColumns; ++c) sums_[j][c] = j + kStride < kKernel ? sums_[j + kStride][c] : 0.0f;
    }
  }
  __device__ __forceinline__ int column_bytes() const {
    return kStep * channels_ * kElementBytes;
  }
  // Of a row of this warp, in a tensor of the input's shape.
  template <typename Byte>
  __device__ __forceinline__ Byte* place(Byte* data, int row) const {
    return data + offset_ + static_cast<int64_t>(row) * pitch_;
  }
  // The target as it is where it is added to, else the input itself where that is measured; never both, since a
  // normalised input has one reader.
  __device__ __forceinline__ void ask_late(const InputReader& reader, int row, bool exists, bool accumulates,
                                           Bits (&bits)[kQuadColumns]) const {
    clear(bits);
    if (!exists || !(accumulates || run_.gradient_map != nullptr)) return;
    const auto* from = place(static_cast<const unsigned char*>(accumulates ? run_.target : run_.input), row);
#pragma unroll
    for (int c = 0; c < kQuadColumns; ++c) {
      if (reader.has(c)) bits[c] = *reinterpret_cast<const Bits*>(from + c * column_bytes());
    }
  }
  // Row i of those that a turn finishes: the gradient where the relu let the input through.
  __device__ __forceinline__ void finish_row(int i, int row, const InputReader& reader, bool accumulates,
                                             const Bits (&late)[kQuadColumns]) {
    if (run_.mode == GradientMode::kIgnore) return;
    auto* to = place(static_cast<unsigned char*>(run_.target), row);
    const bool measures = run_.gradient_map != nullptr;
#pragma unroll
    for (int c = 0; c < kQuadColumns; ++c) {
      const float g = reader.has(c) && inputs_[i][c] > 0 ? sums_[i][c] : 0.0f, other = Own::value(late[c]);
      if (reader.has(c)) *reinterpret_cast<Bits*>(to + c * column_bytes()) = Own::bits(accumulates ? other + g : g);
      if (!measures) continue;
      gradients_ += g;
      products_ = fmaf(g, reader.has(c) ? other - activation_[0] : 0.0f, products_);
    }
  }

  const InputRun& run_;
  const OwnInput& own_;
  const Channels<kChannels> channels_;
  const bool exists_;
  const int channel_;
  const float* activation_;
  int64_t offset_ = 0;  // bytes, of the first row
  int pitch_ = 0;
  float weights_[kKernel * kKernel], weight_sums_[kKernel * kKernel];
  float sums_[kKernel][kQuadColumns], inputs_[kKernel][kQuadColumns];
  float gradients_ = 0, products_ = 0;
};

// A lane's sum with those of the lanes that have the same channel.
template <int kOwn>
__device__ __forceinline__ float sum_channel(float value) {
#pragma unroll
  for (int lanes = kOwn; lanes < kLanes; lanes *= 2) value += __shfl_xor_sync(0xffffffffu, value, lanes);
  return value;
}

template <int kKernel, typename Motion, int kChannels, bool half, bool kWeights>
__device__ __forceinline__ void input_member(const InputRun& run, const InputMember& member, Index region, int part,
                                             bool accumulates, const InputParts<kChannels>& parts) {
  using Shape = InputShape<kChannels>;
  constexpr int kOwn = Shape::kOwn, kTaps = kKernel * kKernel;
  const int lane = lane_number(), warp = warp_number();
  const OwnInput own = OwnInput::of<Motion::kInStep>(run, region, Shape::kColumns);
  InputUnit<kKernel, Motion, kChannels, half, kWeights> unit(run, member, own, part * kOwn + lane % kOwn,
                                                             parts.activation + lane % kOwn);
  unit.run(member, accumulates);
  if constexpr (kWeights) {
#pragma unroll
    for (int tap = 0; tap < kTaps; ++tap) {
      const float sum = sum_channel<kOwn>(unit.weight_sum(tap));
      if (lane < kOwn) parts.weight_sums[(warp * kTaps + tap) * kOwn + lane] = sum;
    }
  }
  if (run.gradient_map != nullptr) {
    const float gradients = sum_channel<kOwn>(unit.gradients()), products = sum_channel<kOwn>(unit.products());
    if (lane < kOwn) {
      parts.moments[warp * 2 * kOwn + lane] = gradients;
      parts.moments[(warp * 2 + 1) * kOwn + lane] = products;
    }
  }
  __syncthreads();  // the next member adds to what this one wrote, in other lanes
  const auto sum_warps = [](const float* values, int pitch) {
    float sum = values[0];
    for (int w = 1; w < kUnits; ++w) sum += values[w * pitch];
    return sum;
  };
  const Channels<kChannels> channels(run.channels);
  if constexpr (kWeights) {
    for (int i = static_cast<int>(threadIdx.x); i < kTaps * kOwn; i += kBlockThreads) {
      const int channel = part * kOwn + i % kOwn;
      if (channel >= channels) continue;
      member.partials[(int64_t{region} * kTaps + i / kOwn) * channels + channel] =
          sum_warps(parts.weight_sums + i, kTaps * kOwn);
    }
  }
  if (run.gradient_map != nullptr) {
    for (int i = static_cast<int>(threadIdx.x); i < 2 * kOwn; i += kBlockThreads) {
      const int channel = part * kOwn + i % kOwn;
      if (channel < channels) run.sums.at(i / kOwn, channel, region) = sum_warps(parts.moments + i, 2 * kOwn);
    }
  }
  __syncthreads();
}

template <int kChannels, bool half, bool kWeights>
__global__ void __launch_bounds__(kBlockThreads, kWeights ? 3 : 4)
    separable_input_kernel(DARTSMITH_ARGUMENT(InputPhase) phase) {
  begin_kernel();
  using Shape = InputShape<kChannels>;
  Shared shared(shared_memory());
  const InputRun& run = own_item(phase.runs, phase.count);
  const Channels<kChannels> channels(run.channels);
  const InputParts<kChannels> parts(shared);
  const Index block = blockIdx.x - run.first_block, shares = static_cast<Index>(Shape::parts(channels));
  const Index region = block / shares;
  const int part = static_cast<int>(block - region * shares);
  load_activation(run.reading, channels, part * Shape::kOwn, Shape::kOwn, parts.activation);
  __syncthreads();
  for (int m = run.first; m < run.first + run.count; ++m) {
    const InputMember& member = phase.members[m];
    const bool accumulates = run.mode == GradientMode::kAccumulate || m > run.first;
    with_motion(member.motion, [&](auto motion) {
      if (member.kernel == 3) {
        input_member<3, decltype(motion), kChannels, half, kWeights>(run, member, region, part, accumulates, parts);
      } else {
        input_member<5, decltype(motion), kChannels, half, kWeights>(run, member, region, part, accumulates, parts);
      }
    });
  }
  if (run.gradient_map == nullptr) return;
  by_last_block(run.ticket, run.blocks, parts.flag, [&] {
    for (int channel = warp_number(); channel < channels; channel += kUnits) finish_input(run, channel, channels);
  });
}

template <int kChannels>
KernelStart<InputPhase> input_start_of(bool half, bool weights) {
  const size_t bytes = shared_bytes<InputParts<kChannels>>();
  if (half) {
    return {weights ? separable_input_kernel<kChannels, true, true> : separable_input_kernel<kChannels, true, false>,
            bytes};
  }
  return {weights ? separable_input_kernel<kChannels, false, true> : separable_input_kernel<kChannels, false, false>,
          bytes};
}
// Each number of channels is compiled in a file of its own; 0 takes any.
template <int kChannels>
KernelStart<InputPhase> input_start(bool half, bool weights);

}  // namespace dartsmith::cuda::sliding
