// 1x1 convolutions whose input channels are a multiple of their outputs', which are as many as sliding warps have: by
// warps that each take a batch of output pixels, whatever rows they lie in. The inputs go through the warp's stage to
// the product of pointwise.cuh in chunks of as many channels as there are outputs.
#pragma once
#include "cuda/sliding/outer.cuh"
#include "cuda/sliding/pointwise.cuh"

namespace dartsmith::cuda::sliding {

// Which pixels of the input are read: every `stride`-th row and column, `skip` left out before.
struct Sampling {
  int in_height, in_width, out_height, out_width, stride;
  int skip[2];
  bool direct;    // all of them
  Index outputs;  // pixels, of all images

  // The input pixel that an output pixel reads.
  __device__ __forceinline__ Index input_of(Index output) const {
    if (direct) return output;
    const Index row = output / static_cast<Index>(out_width), image = row / static_cast<Index>(out_height);
    const Index input_row = image * in_height + (row - image * out_height) * stride + skip[0];
    return input_row * in_width + (output - row * out_width) * stride + skip[1];
  }
  // Calls body(input pixel) for those that no output pixel reads, from the one that this one reads to the next; the
  // first and the last reach to the image's edges.
  template <typename Body>
  __device__ __forceinline__ void for_unread(Index output, const Body& body) const {
    const Range rows(static_cast<int>(output / out_width % out_height), out_height, in_height, stride, skip[0]);
    const Range columns(static_cast<int>(output % out_width), out_width, in_width, stride, skip[1]);
    const Index read = input_of(output);
    for (int y = rows.first; y < rows.end; ++y) {
      for (int x = columns.first; x < columns.end; ++x) {
        if (y != 0 || x != 0) body(read + y * in_width + x);
      }
    }
  }

 private:
  // From the row or column that is read.
  struct Range {
    int first, end;
    __device__ Range(int output, int outputs, int inputs, int stride, int skip)
        : first(output == 0 ? -skip : 0), end(output == outputs - 1 ? inputs - output * stride - skip : stride) {}
  };
};

inline constexpr int kMostJoined = 8;  // tensors

// Tensors of as many channels each, read as if they were concatenated.
struct Joined {
  const void* data[kMostJoined];
  int channels;  // of each

  // Where a channel is: that of pixel 0, in bytes.
  struct Place {
    int part;
    int64_t offset;
  };
  template <bool half>
  __device__ __forceinline__ Place place_of(int channel) const {
    const int part = channel / channels;
    return {part, int64_t{channel - part * channels} * (half ? 2 : 4)};
  }
};

// A convolution with what all its kernels want.
struct ConvolutionMember {
  Sampling sampling;
  int chunks;           // of C input channels
  Joined input;         // [input pixels, chunks, C] together
  const float* weight;  // [chunks, C, C]
  Index first_block;
  bool activated;  // the input is read through a relu
};
struct ConvolutionForward : ConvolutionMember {
  void* output;
};
struct ConvolutionInput : ConvolutionMember {
  const void* gradient;        // of the output
  void* targets[kMostJoined];  // the inputs' gradients; null where not wanted
  bool accumulate[kMostJoined];
};
struct ConvolutionWeights : ConvolutionMember {
  const void* gradient;
  float* partials;  // [chunks, pieces, C, C]
  Index pieces;     // a block's each
  int turns;        // batches of a warp in a piece
};
template <typename Member>
struct alignas(16) ConvolutionPhase {
  int count = 0;
  int chunks = 0;  // of the member that has most
  Member members[kMembers];
};

// Pixels of a batch.
constexpr int batch_pixels(int channels) {
  return 1024 / channels;
}

// What a lane reads of a batch: two channels of four quads of pixels, as a stage takes them.
template <int kChannels, bool half>
class BatchReader {
  using Own = Elements<half, 2>;
  using Shape = WarpShape<kChannels>;
  static_assert(Shape::kPixels == batch_pixels(kChannels));
  static constexpr int kElementBytes = half ? 2 : 4;

 public:
  using Bits = typename Own::Bits[kBatchRows][kQuadColumns];

  // At the pixels place_of(output pixel).
  template <typename PlaceOf>
  __device__ __forceinline__ BatchReader(Index first, Index outputs, const PlaceOf& place_of) {
#pragma unroll
    for (int i = 0; i < kBatchRows * kQuadColumns; ++i) {
      const Index output =
          first + static_cast<Index>(i / kQuadColumns * Shape::kColumns + Shape::own_place().column + i % kQuadColumns);
      if (output < outputs) inside_ |= 1u << i;
      places_[i] = place_of(output);
    }
  }
  // A chunk of channels, zeros past the last pixel.
  __device__ __forceinline__ void take(const Joined& tensors, int chunk, Bits& bits) const {
    const Joined::Place place = tensors.place_of<half>(chunk * kChannels + Shape::own_place().channel);
    take(static_cast<const unsigned char*>(tensors.data[place.part]) + place.offset, tensors.channels, bits);
  }
  // Of a tensor of C channels.
  __device__ __forceinline__ void take(const void* data, Bits& bits) const {
    take(static_cast<const unsigned char*>(data) + Shape::own_place().channel * kElementBytes, kChannels, bits);
  }
  // Calls keep(row, values) for the rows of a stage, what is less than `least` as that: -infinity for values as they
  // are.
  template <typename Keep>
  __device__ static __forceinline__ void hand_over(const Bits& bits, float least, const Keep& keep) {
#pragma unroll
    for (int row = 0; row < kBatchRows; ++row) {
      float2 values[kQuadColumns];
#pragma unroll
      for (int i = 0; i < kQuadColumns; ++i) {
        const float2 value = Own::value(bits[row][i]);
        values[i] = make_float2(at_least(value.x, least), at_least(value.y, least));
      }
      keep(row, values);
    }
  }

 private:
  // Of a tensor of so many channels, from pixel 0 of the lane's own ones on.
  __device__ __forceinline__ void take(const unsigned char* from, int channels, Bits& bits) const {
    const int pitch = channels * kElementBytes;
#pragma unroll
    for (int i = 0; i < kBatchRows * kQuadColumns; ++i) {
      auto& own = bits[i / kQuadColumns][i % kQuadColumns];
      own = typename Own::Bits{};
      if ((inside_ >> i & 1) != 0) {
        own = *reinterpret_cast<const typename Own::Bits*>(from + int64_t{places_[i]} * pitch);
      }
    }
  }

  Index places_[kBatchRows * kQuadColumns];
  unsigned inside_ = 0;
};

// Of a member's input.
__device__ __forceinline__ float least_of(const ConvolutionMember& m) {
  return m.activated ? 0.0f : -INFINITY;
}

// By number of channels and precision; of the weights' gradients, which are a file of their own.
template <typename Member>
using ConvolutionStart = KernelStart<ConvolutionPhase<Member>>;
ConvolutionStart<ConvolutionWeights> convolution_weights_start(int64_t channels, Precision precision);

// Calls body(a constant for the channels, one for the precision).
template <typename Body>
void with_instance(int64_t channels, Precision precision, const Body& body) {
  with_channels(channels, [&](auto own) { with_precision(precision, [&](auto known) { body(own, known); }); });
}

}  // namespace dartsmith::cuda::sliding
