// separable: relu, depthwise, pointwise, and the statistics of the batch-norm that follows. A block takes one tile of
// an image: the input is normalised and activated once while it is loaded with its halo, every member of the group that
// reads it computes its depthwise outputs from there, and the pointwise product goes on from shared memory. Backward:
// first, per tile, the gradient map of the output is applied while loading, the product with the transposed weights
// gives the depthwise output's gradient, and both weight gradients come from the same tile (the depthwise output is
// recomputed rather than stored); then the data gradients of all members that read one input are summed in registers,
// masked by the relu, and measured for the input's batch-norm; last, the partial sums are joined in fixed order.
#pragma once
#include "cuda/depthwise.h"
#include "cuda/moments.h"
#include "cuda/product.h"

namespace dartsmith::cuda::separable {

inline constexpr int kTilePixels = 64;
inline constexpr int kGradientPixels = 128;   // of a tile of the input's gradient: a quad a thread
inline constexpr int64_t kEnoughTasks = 256;  // blocks that keep a large GPU busy
inline constexpr int64_t kWeightTasks = 32;   // partial sums of a member's weight gradients
inline constexpr int kVectors = kTileChannels / 4;

struct Member {
  DepthwiseWindow window;
  View output;
  const float* depthwise;  // [taps, inputs]
  const float* pointwise;  // [inputs, outputs]
  Normalisation norm;
  Partials moments;
  // Backward.
  View gradient;
  const float* gradient_map;
  View depthwise_gradient;    // of the depthwise output, workspace [batch, height, width, inputs]
  float* weight_gradient;     // null where not wanted, [taps, inputs]
  float* pointwise_gradient;  // [inputs, outputs]
  float* weight_partials;     // workspace [tasks, taps * inputs + inputs * outputs]
  int64_t first_task, tasks;  // of tiles whose weight gradients are summed at once
  int64_t tiles_a_task;
  int run;
};

// Members that read one input and agree in what they make of a tile.
struct Run {
  View input;
  Reading reading;
  int first, count;   // members
  int height, width;  // of an input image
  Tiling tiling;
  Frame frame;
  int members_a_task;
  int64_t first_task, tasks;
  // Backward: of the data gradient.
  Tiling input_tiling;
  Frame gradient_frame;
  bool by_frame;  // all strides are 1 and the frame fits
  View target;
  GradientMode mode;
  float* gradient_map;  // of a normalised input
  float* scale_gradient;
  float* shift_gradient;
  Partials sums;
  int64_t first_gradient_task, gradient_tasks;
};

// The runs follow in memory, then the members.
struct alignas(16) Separable {
  int count, run_count;
  int64_t batch;
  int64_t tasks, strip_tasks, gradient_tasks;
  int64_t frame_elements;  // of the largest frame in shared memory
  int64_t gradient_frame_elements;
  int pixels, columns;  // of the largest product
  bool wants_weights;

  __device__ __forceinline__ const Run& run(int r) const { return reinterpret_cast<const Run*>(this + 1)[r]; }
  __device__ __forceinline__ const Member& member(int m) const {
    return reinterpret_cast<const Member*>(&run(run_count))[m];
  }
};

__device__ __forceinline__ int inputs_of(const Run& run) {
  return run.input.channels;
}

// Fills the frame with the activated input.
__device__ inline void load_input(const Run& run, int64_t image, int tile, int first, float4* frame) {
  load_frame(run.frame, run.tiling, tile, run.input, image, run.height, run.width, first, frame,
             [&](float4 x, int channel) { return relu(Preactivation(run.reading, channel, run.input.channels)(x)); });
}

// Depthwise outputs of a tile for a chunk of channels: calls keep(pixel of the tile, vector, value).
template <typename Keep>
__device__ void depthwise_tile(const Run& run, const Member& member, int64_t image, int tile, int first,
                               const float4* frame, const float4* taps, const Keep& keep) {
  const Spread spread(inputs_of(run) - first, kTileChannels);
  const DepthwiseSource source{frame, taps, member.depthwise, inputs_of(run), false, first};
  const int channel = first + spread.vector * 4;
  for (int quad = spread.row; quad < run.tiling.quads(); quad += spread.rows) {
    const int pixel = quad * kQuad, row = pixel / run.tiling.tile_width, column = pixel % run.tiling.tile_width;
    float4 sums[kQuad] = {splat(0), splat(0), splat(0), splat(0)};
    if (run.frame.fits()) {
      walk_frame(run.frame, member.window, source, row, column, spread.vector, sums);
    } else if (channel < inputs_of(run)) {
      const Preactivation before(run.reading, channel, inputs_of(run));
      const int top = run.tiling.top(tile) * member.window.stride[0];
      const int left = run.tiling.left(tile) * member.window.stride[1];
      walk_any(
          member.window, source, row, column, spread.vector,
          [&](int y, int x) {
            const int at_row = top + y, at_column = left + x;
            if (at_row < 0 || at_row >= run.height || at_column < 0 || at_column >= run.width) return splat(0);
            return relu(before(run.input.load((image * run.height + at_row) * run.width + at_column, channel)));
          },
          sums);
    }
    for (int i = 0; i < kQuad; ++i) keep(pixel + i, spread.vector, sums[i]);
  }
}

// Four factors of a product side by side; the channels of a chunk that a narrow spread leaves out are cleared apart.
template <Precision precision>
__device__ __forceinline__ void keep_factors(typename Factor<precision>::Type* row, int vector, float4 value) {
  for (int i = 0; i < 4; ++i) row[vector * 4 + i] = Factor<precision>::of(at(value, i));
}

// Channels of a chunk, rounded up to what a product takes.
__device__ __forceinline__ int chunk_channels(int channels, int first, int chunk) {
  return static_cast<int>(round_up(smaller(chunk, channels - first), 16));
}

template <Precision precision>
__device__ void depthwise_factors(const Run& run, const Member& member, int64_t image, int tile, int first,
                                  const float4* frame, const float4* taps, typename Factor<precision>::Type* target) {
  constexpr int kPitch = pitch_of<precision>(kTileChannels);
  const Spread spread(inputs_of(run) - first, kTileChannels);
  depthwise_tile(run, member, image, tile, first, frame, taps, [&](int pixel, int vector, float4 value) {
    keep_factors<precision>(target + pixel * kPitch, vector, value);
  });
  const int missing = chunk_channels(inputs_of(run), first, kTileChannels) / 4 - spread.vectors;
  if (missing <= 0) return;
  for_block(run.tiling.pixels() * missing, [&](int item) {
    keep_factors<precision>(target + item / missing * kPitch, spread.vectors + item % missing, splat(0));
  });
}

template <Precision precision>
struct ForwardParts {
  using Type = typename Factor<precision>::Type;
  float4* frame;
  float4* taps;     // [kTapsKept, kVectors]
  Type* depthwise;  // [pixels, kTileChannels]
  Type* pointwise;  // [kTileChannels, columns]
  float* result;    // [pixels, columns], in the place of both
  float4* scratch;

  __host__ __device__ ForwardParts(Shared& shared, const Separable& s)
      : frame(shared.take<float4>(s.frame_elements / 4)), taps(shared.take<float4>(kTapsKept * kVectors)) {
    const int64_t left = round_up(int64_t{s.pixels} * pitch_of<precision>(kTileChannels) * sizeof(Type), 32);
    const int64_t right = int64_t{kTileChannels} * pitch_of<precision>(s.columns) * sizeof(Type);
    const int64_t product = int64_t{s.pixels} * (s.columns + kResultPad) * sizeof(float);
    unsigned char* both = shared.take<unsigned char>(larger(left + right, product) + 32);
    // Tensor cores want 32 bytes.
    both += (32 - reinterpret_cast<uintptr_t>(both) % 32) % 32;
    depthwise = reinterpret_cast<Type*>(both);
    pointwise = reinterpret_cast<Type*>(both + left);
    result = reinterpret_cast<float*>(both);
    scratch = shared.take<float4>(kWarps * kChunk / 4);
  }
};

// Pointwise weights of chunks: [kTileChannels, columns], 0 around them.
template <Precision precision>
__device__ void load_pointwise(const Member& member, int inputs, int first_input, int first_output, int columns,
                               typename Factor<precision>::Type* target) {
  const int outputs = member.output.channels;
  const int rows = chunk_channels(inputs, first_input, kTileChannels);
  for_block(rows * columns, [&](int item) {
    const int row = item / columns, column = item % columns;
    const int input = first_input + row, output = first_output + column;
    const float weight = input < inputs && output < outputs ? member.pointwise[int64_t{input} * outputs + output] : 0;
    target[row * pitch_of<precision>(columns) + column] = Factor<precision>::of(weight);
  });
}

// Of one tile, its result to where it is kept, and its moments. In bfloat16 the result itself is rounded too: its
// statistics are those of what is kept.
__device__ inline void keep_result(const Run& run, const Member& member, int64_t image, int tile, int first,
                                   int columns, float* result, float4* scratch) {
  const int pitch = columns + kResultPad, outputs = member.output.channels;
  const int vectors = static_cast<int>(divide_up(smaller(columns, outputs - first), 4));
  const int count = run.tiling.count(tile);
  const int64_t first_pixel = image * run.tiling.height * run.tiling.width;
  for_block(count * vectors, [&](int item) {
    const int index = item / vectors, channel = item % vectors * 4;
    float* from = result + run.tiling.within_tile(tile, index) * pitch + channel;
    float4 value = *reinterpret_cast<float4*>(from);
    if (member.output.half) {
      value = map4(value, [](float x) { return rounded(x, true); });
      *reinterpret_cast<float4*>(from) = value;
    }
    member.output.store(first_pixel + run.tiling.within_image(tile, index), first + channel, value);
  });
  if (member.norm.statistics == Statistics::kRunning) return;
  __syncthreads();
  const Spread spread(outputs - first);
  const auto load = [&](int p) {
    return *reinterpret_cast<const float4*>(result + run.tiling.within_tile(tile, p) * pitch + spread.vector * 4);
  };
  piece_moments(spread, count, first + spread.vector * 4, load, scratch, member.moments,
                image * run.tiling.tiles() + tile);
}

template <Precision precision>
__device__ void forward_member(const Run& run, const Member& member, int64_t image, int tile, int& loaded,
                               const ForwardParts<precision>& parts) {
  const int inputs = inputs_of(run), outputs = member.output.channels;
  for (int first = 0; first < outputs; first += kProductColumns) {
    const int columns = chunk_channels(outputs, first, kProductColumns);
    Product<precision> product(run.tiling.pixels(), columns);
    for (int input = 0; input < inputs; input += kTileChannels) {
      __syncthreads();
      if (loaded != input && run.frame.fits()) load_input(run, image, tile, input, parts.frame);
      loaded = input;
      load_taps(member.window, member.depthwise, inputs, input, false, parts.taps);
      load_pointwise<precision>(member, inputs, input, first, columns, parts.pointwise);
      __syncthreads();
      depthwise_factors<precision>(run, member, image, tile, input, parts.frame, parts.taps, parts.depthwise);
      __syncthreads();
      product.add(parts.depthwise, pitch_of<precision>(kTileChannels), parts.pointwise, pitch_of<precision>(columns),
                  chunk_channels(inputs, input, kTileChannels));
    }
    __syncthreads();
    product.store(parts.result, columns + kResultPad);
    __syncthreads();
    keep_result(run, member, image, tile, first, columns, parts.result, parts.scratch);
  }
}

// The run that a task belongs to.
__device__ __forceinline__ const Run& run_of(const Separable& s, Index task, int64_t Run::*first, int64_t Run::*tasks) {
  int r = 0;
  while (r + 1 < s.run_count && task >= s.run(r).*first + s.run(r).*tasks) ++r;
  return s.run(r);
}

template <Precision precision>
__device__ __forceinline__ void forward(const Separable& s, Shared& shared) {
  const ForwardParts<precision> parts(shared, s);
  for_tasks(s.tasks, [&](Index task) {
    const Run& run = run_of(s, task, &Run::first_task, &Run::tasks);
    const Index own = static_cast<Index>(task - run.first_task), tiles = static_cast<Index>(run.tiling.tiles());
    const Index places = static_cast<Index>(s.batch) * tiles, place = own % places;
    const int part = static_cast<int>(own / places);
    const int begin = run.first + part * run.members_a_task;
    const int end = static_cast<int>(smaller(begin + run.members_a_task, run.first + run.count));
    int loaded = -1;
    for (int m = begin; m < end; ++m) {
      forward_member<precision>(run, s.member(m), place / tiles, static_cast<int>(place % tiles), loaded, parts);
    }
  });
  wait_for_grid();
  for (int m = 0; m < s.count; ++m) {
    const Member& member = s.member(m);
    const Tiling& tiling = s.run(member.run).tiling;
    for_warps(member.output.channels, [&](Index channel) {
      finish_moments(
          member.norm, member.moments, static_cast<int>(channel),
          static_cast<double>(s.batch * tiling.height * tiling.width), [&](Index piece) {
            return tiling.count(static_cast<int>(static_cast<Index>(piece) % static_cast<Index>(tiling.tiles())));
          });
    });
  }
}

// --- Backward

template <Precision precision>
struct StripParts {
  using Type = typename Factor<precision>::Type;
  Type* gradient;             // of the output [pixels, kProductColumns]
  Type* transposed;           // pointwise weights [kProductColumns, kTileChannels]
  float* depthwise_gradient;  // [pixels, kTileChannels]
  float* product;  // of the pointwise weights' gradient [kTileChannels, kProductColumns], in the place of `transposed`
  float4* frame;
  float4* taps;
  Type* depthwise;  // [pixels, kTileChannels]

  __host__ __device__ StripParts(Shared& shared, const Separable& s) {
    const int64_t transposed_bytes =
        larger(int64_t{kProductColumns} * pitch_of<precision>(kTileChannels) * static_cast<int64_t>(sizeof(Type)),
               int64_t{kTileChannels} * (kProductColumns + kResultPad) * static_cast<int64_t>(sizeof(float)));
    gradient = take(shared, int64_t{s.pixels} * pitch_of<precision>(kProductColumns));
    transposed = take(shared, transposed_bytes / static_cast<int64_t>(sizeof(Type)));
    product = reinterpret_cast<float*>(transposed);
    depthwise_gradient = reinterpret_cast<float*>(take(
        shared, int64_t{s.pixels} * (kTileChannels + kResultPad) * static_cast<int64_t>(sizeof(float) / sizeof(Type))));
    taps = shared.take<float4>(s.wants_weights ? kTapsKept * kVectors : 0);
    frame = shared.take<float4>(s.wants_weights ? s.frame_elements / 4 : 0);
    depthwise = take(shared, s.wants_weights ? int64_t{s.pixels} * pitch_of<precision>(kTileChannels) : 0);
  }

 private:
  // Aligned as tensor cores want it.
  __host__ __device__ static Type* take(Shared& shared, int64_t count) {
    unsigned char* part = shared.take<unsigned char>(count * static_cast<int64_t>(sizeof(Type)) + 32);
    return reinterpret_cast<Type*>(part + (32 - reinterpret_cast<uintptr_t>(part) % 32) % 32);
  }
};

// The output's gradient of a tile, A * g + B * y + D, for a chunk of channels; 0 outside the image.
template <Precision precision>
__device__ void load_gradient(const Run& run, const Member& member, int64_t image, int tile, int first,
                              typename Factor<precision>::Type* target) {
  const Tiling& t = run.tiling;
  const int outputs = member.output.channels, vectors = chunk_channels(outputs, first, kProductColumns) / 4;
  const int64_t first_pixel = image * t.height * t.width;
  for_block(t.pixels() * vectors, [&](int item) {
    const int pixel = item / vectors, vector = item % vectors, channel = first + vector * 4;
    const int row = t.top(tile) + pixel / t.tile_width, column = t.left(tile) + pixel % t.tile_width;
    float4 value = splat(0);
    if (row < t.height && column < t.width && channel < outputs) {
      const int64_t at = first_pixel + int64_t{row} * t.width + column;
      value = GradientMap(member.gradient_map, channel, outputs)(member.gradient.load(at, channel),
                                                                 member.output.load(at, channel));
    }
    keep_factors<precision>(target + pixel * pitch_of<precision>(kProductColumns), vector, value);
  });
}

// Pointwise weights of chunks the other way round: [outputs, inputs], 0 around them.
template <Precision precision>
__device__ void load_transposed(const Member& member, int inputs, int first_input, int first_output,
                                typename Factor<precision>::Type* target) {
  const int outputs = member.output.channels;
  const int rows = chunk_channels(outputs, first_output, kProductColumns);
  const int columns = chunk_channels(inputs, first_input, kTileChannels);
  for_block(rows * columns, [&](int item) {
    const int row = item % rows, column = item / rows;  // neighbours read neighbouring weights
    const int input = first_input + column, output = first_output + row;
    const float weight = input < inputs && output < outputs ? member.pointwise[int64_t{input} * outputs + output] : 0;
    target[row * pitch_of<precision>(kTileChannels) + column] = Factor<precision>::of(weight);
  });
}

// target (=|+=) value: the first tile of a task overwrites.
__device__ __forceinline__ void keep_sum(float* target, float value, bool first) {
  *target = first ? value : *target + value;
}

// What one tile adds to the gradient of a chunk of depthwise weights.
__device__ inline void correlate_depthwise(const Run& run, const Member& member, int64_t image, int tile, int first,
                                           const float4* frame, const float* gradient, float* partial,
                                           bool first_tile) {
  const Tiling& t = run.tiling;
  const DepthwiseWindow& w = member.window;
  const int inputs = inputs_of(run), vectors = static_cast<int>(divide_up(smaller(kTileChannels, inputs - first), 4));
  const int rows = t.rows(tile), columns = t.columns(tile);
  for_block(w.taps() * vectors, [&](int item) {
    const int tap = item / vectors, vector = item % vectors, channel = first + vector * 4;
    const int down = tap / w.kernel[1] * w.dilation[0] - w.padding[0];
    const int right = tap % w.kernel[1] * w.dilation[1] - w.padding[1];
    const Preactivation before(run.reading, channel, inputs);
    float4 sum = splat(0);
    for (int row = 0; row < rows; ++row) {
      for (int column = 0; column < columns; ++column) {
        const float4 g = *reinterpret_cast<const float4*>(
            gradient + (row * t.tile_width + column) * (kTileChannels + kResultPad) + vector * 4);
        const int y = row * w.stride[0] + down, x = column * w.stride[1] + right;
        float4 value = splat(0);
        if (run.frame.fits()) {
          value = frame[((y - run.frame.low[0]) * run.frame.size[1] + x - run.frame.low[1]) * kVectors + vector];
        } else {
          const int at_row = t.top(tile) * w.stride[0] + y, at_column = t.left(tile) * w.stride[1] + x;
          if (at_row >= 0 && at_row < run.height && at_column >= 0 && at_column < run.width) {
            value = relu(before(run.input.load((image * run.height + at_row) * run.width + at_column, channel)));
          }
        }
        sum = fused(g, value, sum);
      }
    }
    for (int i = 0; i < 4 && channel + i < inputs; ++i) {
      keep_sum(partial + int64_t{tap} * inputs + channel + i, at(sum, i), first_tile);
    }
  });
}

// What one tile adds to the weight gradients of a chunk of inputs.
template <Precision precision>
__device__ void weight_gradients(const Run& run, const Member& member, int64_t image, int tile, int input, int& held,
                                 const StripParts<precision>& parts, float* partial, bool first_tile) {
  const int inputs = inputs_of(run), outputs = member.output.channels;
  if (run.frame.fits()) load_input(run, image, tile, input, parts.frame);
  load_taps(member.window, member.depthwise, inputs, input, false, parts.taps);
  __syncthreads();
  depthwise_factors<precision>(run, member, image, tile, input, parts.frame, parts.taps, parts.depthwise);
  correlate_depthwise(run, member, image, tile, input, parts.frame, parts.depthwise_gradient, partial, first_tile);
  float* pointwise = partial + int64_t{member.window.taps()} * inputs;
  const int rows = chunk_channels(inputs, input, kTileChannels);
  for (int first = 0; first < outputs; first += kProductColumns) {
    const int columns = chunk_channels(outputs, first, kProductColumns);
    __syncthreads();
    if (held != first) load_gradient<precision>(run, member, image, tile, first, parts.gradient);
    held = first;
    __syncthreads();
    Product<precision> product(rows, columns);
    product.add_transposed(parts.depthwise, pitch_of<precision>(kTileChannels), parts.gradient,
                           pitch_of<precision>(kProductColumns), run.tiling.pixels());
    product.store(parts.product, columns + kResultPad);
    __syncthreads();
    for_block(rows * columns, [&](int item) {
      const int from = input + item / columns, to = first + item % columns;
      if (from >= inputs || to >= outputs) return;
      keep_sum(pointwise + int64_t{from} * outputs + to,
               parts.product[item / columns * (columns + kResultPad) + item % columns], first_tile);
    });
  }
}

// One tile of one member: the depthwise output's gradient, and what the tile adds to the weight gradients.
template <Precision precision>
__device__ void backward_tile(const Run& run, const Member& member, int64_t image, int tile,
                              const StripParts<precision>& parts, float* partial, bool first_tile) {
  const int inputs = inputs_of(run), outputs = member.output.channels;
  const Tiling& t = run.tiling;
  int held = -1;  // chunk of the gradient in shared memory
  for (int input = 0; input < inputs; input += kTileChannels) {
    Product<precision> product(t.pixels(), chunk_channels(inputs, input, kTileChannels));
    for (int first = 0; first < outputs; first += kProductColumns) {
      __syncthreads();
      if (held != first) load_gradient<precision>(run, member, image, tile, first, parts.gradient);
      held = first;
      load_transposed<precision>(member, inputs, input, first, parts.transposed);
      __syncthreads();
      product.add(parts.gradient, pitch_of<precision>(kProductColumns), parts.transposed,
                  pitch_of<precision>(kTileChannels), chunk_channels(outputs, first, kProductColumns));
    }
    product.store(parts.depthwise_gradient, kTileChannels + kResultPad);
    __syncthreads();
    const int vectors = static_cast<int>(divide_up(smaller(kTileChannels, inputs - input), 4));
    for_block(t.count(tile) * vectors, [&](int item) {
      const int index = item / vectors, channel = item % vectors * 4;
      const float* from =
          parts.depthwise_gradient + t.within_tile(tile, index) * (kTileChannels + kResultPad) + channel;
      member.depthwise_gradient.store(image * t.height * t.width + t.within_image(tile, index), input + channel,
                                      *reinterpret_cast<const float4*>(from));
    });
    if (member.weight_gradient != nullptr) {
      weight_gradients<precision>(run, member, image, tile, input, held, parts, partial, first_tile);
    }
    __syncthreads();
  }
}

// The tiles of a task, whose weight gradients are summed.
template <Precision precision>
__device__ void backward_tiles(const Separable& s, const Member& member, Index task,
                               const StripParts<precision>& parts) {
  const Run& run = s.run(member.run);
  const Index in_image = static_cast<Index>(run.tiling.tiles()), tiles = static_cast<Index>(s.batch) * in_image;
  const int64_t inputs = inputs_of(run), elements = member.window.taps() * inputs + inputs * member.output.channels;
  const Index first = task * static_cast<Index>(member.tiles_a_task);
  for (Index at = first; at < tiles && at < first + member.tiles_a_task; ++at) {
    backward_tile<precision>(run, member, at / in_image, static_cast<int>(at % in_image), parts,
                             member.weight_partials + task * elements, at == first);
  }
}

struct GradientParts {
  float4* frame;
  float4* taps;
  float4* scratch;
  __host__ __device__ GradientParts(Shared& shared, const Separable& s)
      : frame(shared.take<float4>(s.gradient_frame_elements / 4)),
        taps(shared.take<float4>(kTapsKept * kVectors)),
        scratch(shared.take<float4>(kWarps * kChunk / 4)) {}
};

// One member's data gradient at an input pixel, whatever its strides.
__device__ inline float4 gather_gradient(const Run& run, const Member& member, int64_t image, int row, int column,
                                         int channel) {
  const DepthwiseWindow& w = member.window;
  const Tiling& t = run.tiling;
  float4 sum = splat(0);
  for (int ky = 0; ky < w.kernel[0]; ++ky) {
    const int from_row = row + w.padding[0] - ky * w.dilation[0];
    if (from_row < 0 || from_row % w.stride[0] != 0 || from_row / w.stride[0] >= t.height) continue;
    for (int kx = 0; kx < w.kernel[1]; ++kx) {
      const int from_column = column + w.padding[1] - kx * w.dilation[1];
      if (from_column < 0 || from_column % w.stride[1] != 0 || from_column / w.stride[1] >= t.width) continue;
      const int64_t pixel = (image * t.height + from_row / w.stride[0]) * t.width + from_column / w.stride[1];
      const float4 weight =
          channel_values(member.depthwise + int64_t{ky * w.kernel[1] + kx} * inputs_of(run), channel, inputs_of(run));
      sum = fused(weight, member.depthwise_gradient.load(pixel, channel), sum);
    }
  }
  return sum;
}

// The sum over a run's members for four input pixels of a tile.
__device__ inline void sum_members(const Separable& s, const Run& run, int64_t image, int tile, int first,
                                   const Spread& spread, const GradientParts& parts, float4 (&sums)[kQuad]) {
  const Tiling& t = run.input_tiling;
  const int pixel = spread.row * kQuad, row = pixel / t.tile_width, column = pixel % t.tile_width;
  const int channel = first + spread.vector * 4;
  const bool active = spread.row < t.quads();
  for (int m = run.first; m < run.first + run.count; ++m) {
    const Member& member = s.member(m);
    if (!run.by_frame) {
      for (int i = 0; i < kQuad && active && channel < inputs_of(run); ++i) {
        const int at_row = t.top(tile) + row, at_column = t.left(tile) + column + i;
        if (at_row >= t.height || at_column >= t.width) continue;
        sums[i] = sums[i] + gather_gradient(run, member, image, at_row, at_column, channel);
      }
      continue;
    }
    __syncthreads();
    load_frame(run.gradient_frame, t, tile, member.depthwise_gradient, image, run.tiling.height, run.tiling.width,
               first, parts.frame, [](float4 g, int) { return g; });
    load_taps(member.window, member.depthwise, inputs_of(run), first, true, parts.taps);
    __syncthreads();
    if (!active) continue;
    DepthwiseWindow turned = member.window;
    for (int axis = 0; axis < 2; ++axis) turned.padding[axis] = turned.reach(axis) - turned.padding[axis];
    const DepthwiseSource source{parts.frame, parts.taps, member.depthwise, inputs_of(run), true, first};
    walk_frame(run.gradient_frame, turned, source, row, column, spread.vector, sums);
  }
}

// The input's gradient of one tile and chunk of channels: where the relu let the input through.
__device__ inline void input_gradient(const Separable& s, Index task, const GradientParts& parts) {
  const Run& run = run_of(s, task, &Run::first_gradient_task, &Run::gradient_tasks);
  const Tiling& t = run.input_tiling;
  const Index chunks = static_cast<Index>(inputs_of(run) + kTileChannels - 1) / kTileChannels;
  const Index own = static_cast<Index>(task - run.first_gradient_task), place = own / chunks;
  const int first = static_cast<int>(own % chunks) * kTileChannels;
  const int64_t image = place / static_cast<Index>(t.tiles());
  const int tile = static_cast<int>(place % static_cast<Index>(t.tiles()));
  const Spread spread(inputs_of(run) - first, kTileChannels);
  const int channel = first + spread.vector * 4;
  float4 sums[kQuad] = {splat(0), splat(0), splat(0), splat(0)};
  sum_members(s, run, image, tile, first, spread, parts, sums);
  float4 gradients = splat(0), products = splat(0);
  if (channel < inputs_of(run)) {
    const Preactivation before(run.reading, channel, inputs_of(run));
    for (int i = 0; i < kQuad; ++i) {
      const int pixel = spread.row * kQuad + i;
      const int row = t.top(tile) + pixel / t.tile_width, column = t.left(tile) + pixel % t.tile_width;
      if (pixel >= t.pixels() || row >= t.height || column >= t.width) continue;
      const int64_t at = (image * t.height + row) * t.width + column;
      const float4 x = run.input.load(at, channel);
      const float4 g =
          map4(before(x), sums[i], [](float value, float gradient) { return value > 0 ? gradient : 0.0f; });
      gradients = gradients + g;
      products = fused(g, x - before.mean, products);
      run.target.add(at, channel, g, run.mode == GradientMode::kAccumulate);
    }
  }
  if (run.gradient_map == nullptr) return;
  gradients = sum_rows(spread, gradients, parts.scratch);
  products = sum_rows(spread, products, parts.scratch);
  if (spread.row == 0 && channel < inputs_of(run)) {
    run.sums.store(0, channel, place, gradients);
    run.sums.store(1, channel, place, products);
  }
}

// One channel of a normalised input, a warp together: the gradients of its scale and shift, and the map of its own.
__device__ inline void finish_input(const Separable& s, const Run& run, int channel) {
  const int channels = inputs_of(run);
  const double gradient = join_pieces(run.sums, 0, channel), product = join_pieces(run.sums, 1, channel);
  if (threadIdx.x % kLanes != 0) return;
  if (run.scale_gradient != nullptr) {
    run.scale_gradient[channel] = static_cast<float>(product * run.reading.statistics[channels + channel]);
    run.shift_gradient[channel] = static_cast<float>(gradient);
  }
  write_gradient_map(run.gradient_map, run.reading, channel, channels, 1, gradient, product,
                     static_cast<double>(s.batch * run.height * run.width));
}

__device__ inline void reduce_weights(const Member& member, int inputs) {
  const int64_t depthwise = int64_t{member.window.taps()} * inputs;
  const int64_t elements = depthwise + int64_t{inputs} * member.output.channels;
  for_grid(elements, [&](Index e) {
    float sum = 0;
    for (Index task = 0; task < member.tasks; ++task) sum += member.weight_partials[task * elements + e];
    (e < depthwise ? member.weight_gradient[e] : member.pointwise_gradient[e - depthwise]) = sum;
  });
}

template <Precision precision>
__device__ __forceinline__ void backward(const Separable& s, Shared& shared) {
  {
    const StripParts<precision> parts(shared, s);
    for_tasks(s.strip_tasks, [&](Index task) {
      int m = 0;
      while (m + 1 < s.count && task >= s.member(m + 1).first_task) ++m;
      const Member& member = s.member(m);
      backward_tiles<precision>(s, member, task - static_cast<Index>(member.first_task), parts);
    });
  }
  wait_for_grid();
  if (s.gradient_tasks > 0) {
    shared.start_over();
    const GradientParts parts(shared, s);
    for_tasks(s.gradient_tasks, [&](Index task) { input_gradient(s, task, parts); });
  }
  for (int m = 0; m < s.count && s.wants_weights; ++m) {
    reduce_weights(s.member(m), inputs_of(s.run(s.member(m).run)));
  }
  wait_for_grid();
  for (int r = 0; r < s.run_count; ++r) {
    const Run& run = s.run(r);
    if (run.gradient_map == nullptr || run.mode == GradientMode::kIgnore) continue;
    for_warps(inputs_of(run), [&](Index channel) { finish_input(s, run, static_cast<int>(channel)); });
  }
}

}  // namespace dartsmith::cuda::separable
