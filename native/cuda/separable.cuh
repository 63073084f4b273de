// separable: relu, depthwise, pointwise, and the statistics of the batch-norm that follows. A block takes one tile of
// an image: the input is normalised and activated once while it is loaded with its halo, every member of the group that
// reads it computes its depthwise outputs from there, and the pointwise product goes on from shared memory. Tiles are
// such that every thread has a quad of pixels of four channels: the fewer channels, the more pixels. Backward: first,
// per tile, the gradient map of the output is applied while loading, and the product with the transposed weights gives
// the depthwise output's gradient; then the weight gradients, summed in registers over the tiles of a task (the
// depthwise output is recomputed rather than stored), beside the data gradients, where all members that read one input
// are summed, masked by the relu, and measured for the input's batch-norm; last, partial sums are joined in fixed
// order.
#pragma once
#include "cuda/depthwise.cuh"
#include "cuda/moments.cuh"
#include "cuda/product.cuh"
#include "cuda/sample_dropout.cuh"

namespace dartsmith::cuda::separable {

inline constexpr int kColumns = 64;           // of a product at most: outputs at once
inline constexpr int kSeparables = 32;        // members of a launch at most
inline constexpr int64_t kEnoughTasks = 256;  // blocks that keep a large GPU busy
inline constexpr int64_t kWeightTasks = 64;   // partial sums of a member's weight gradients
inline constexpr int64_t kSumElements = larger(kSlicedElements, kThreads* kMostKernel * 4);

struct Member {
  DepthwiseWindow window;
  View output;
  const float* depthwise;  // [taps, inputs]
  const float* pointwise;  // [inputs, outputs]
  Normalisation norm;
  Partials moments;
  int run;
  // Backward.
  View gradient;
  const float* gradient_map;
  SampleDropout dropout;      // of the output
  View depthwise_gradient;    // of the depthwise output, workspace [batch, height, width, inputs]
  int64_t first_task;         // of its tiles
  float* weight_gradient;     // null where not wanted, [taps, inputs]
  float* pointwise_gradient;  // [inputs, outputs]
  float* weight_partials;     // workspace [slices, taps * inputs + inputs * outputs]
  Index slices, tiles_a_slice;
  int64_t first_weight_task, weight_tasks;  // slices of chunks of inputs and outputs
};

__host__ __device__ inline int64_t weight_elements(const Member& member, int inputs) {
  return int64_t{member.window.taps()} * inputs + int64_t{inputs} * member.output.channels;
}

// Members that read one input and agree in what they make of a tile.
struct Run {
  View input;
  Reading reading;
  int first, count;   // members
  int height, width;  // of an input image
  Tiling tiling;
  Frame frame;
  int chunk, columns;  // inputs and outputs at once
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
  double statistics_pixels;  // see the function of that name
  Partials sums;
  int64_t first_gradient_task, gradient_tasks;
};

// What shared memory has to hold of a run: the largest of them.
struct Extent {
  int64_t frame, gradient_frame;  // elements
  int64_t pixels, chunk, columns;
  int64_t inputs, outputs, weights;  // elements of factors: pixels * chunk, pixels * columns, chunk * columns

  void cover(const Run& run) {
    if (run.frame.fits()) frame = larger(frame, run.frame.elements());
    if (run.by_frame) gradient_frame = larger(gradient_frame, run.gradient_frame.elements());
    pixels = larger(pixels, run.tiling.pixels());
    chunk = larger(chunk, run.chunk);
    columns = larger(columns, run.columns);
    inputs = larger(inputs, int64_t{run.tiling.pixels()} * run.chunk);
    outputs = larger(outputs, int64_t{run.tiling.pixels()} * run.columns);
    weights = larger(weights, int64_t{run.chunk} * run.columns);
  }
};

// What every launch of a pass takes.
struct Separable {
  int count, run_count;
  int64_t batch;
  int64_t tasks, tile_tasks, weight_tasks, gradient_tasks;
  int64_t weight_elements;  // of the member that has most
  int inputs, outputs;      // channels: of the run and of the member that have most
  Extent extent;
  Run runs[kSeparables];        // `run_count` of them
  Member members[kSeparables];  // `count` of them

  // The member that a task belongs to.
  __device__ __forceinline__ const Member& owner(Index task, int64_t Member::*first) const {
    int m = 0;
    while (m + 1 < count && task >= members[m + 1].*first) ++m;
    return members[m];
  }
};

// Bytes of a matrix of factors or sums, `pad` elements behind each row.
template <typename Type>
__host__ __device__ int64_t matrix_bytes(int64_t elements, int64_t rows, int pad) {
  return round_up((elements + rows * pad) * static_cast<int64_t>(sizeof(Type)), 32);
}
// A part of shared memory, aligned as tensor cores want it.
__host__ __device__ inline unsigned char* take_aligned(Shared& shared, int64_t bytes) {
  unsigned char* part = shared.take<unsigned char>(bytes + 32);
  return part + (32 - reinterpret_cast<uintptr_t>(part) % 32) % 32;
}
__host__ __device__ inline float4* take_taps(Shared& shared, const Extent& e) {
  return shared.take<float4>(kTapsKept * e.chunk / 4);
}

__host__ __device__ __forceinline__ int inputs_of(const Run& run) {
  return run.input.channels;
}

// Of the input.
__device__ __forceinline__ Index pixel_of(const Run& run, Index image, int row, int column) {
  return image * static_cast<Index>(run.height * run.width) + static_cast<Index>(row * run.width + column);
}

// Fills the frame with the activated input.
template <Layout layout>
__device__ inline void load_input(const Run& run, Index image, int tile, int first, float4* frame) {
  load_frame<layout>(
      run.frame, run.tiling, tile, run.input, image, run.height, run.width, first, frame, [&](int channel) {
        return [before = Preactivation(run.reading, channel, inputs_of(run))](float4 x) { return relu(before(x)); };
      });
}

// Four factors of a product side by side.
template <Precision precision>
__device__ __forceinline__ void keep_factors(typename Factor<precision>::Type* target, float4 value) {
  for (int i = 0; i < 4; ++i) target[i] = Factor<precision>::of(at(value, i));
}

// Channels of a chunk, rounded up to what a product takes.
__device__ __forceinline__ int chunk_channels(int channels, int first, int chunk) {
  return static_cast<int>(round_up(smaller(chunk, channels - first), 16));
}

// Depthwise outputs of a tile for a chunk of channels, 0 past the last: [pixels, pitch].
template <Precision precision, Layout layout>
__device__ void depthwise_factors(const Run& run, const Member& member, Index image, int tile, int first,
                                  const float4* frame, const float4* taps, int pitch,
                                  typename Factor<precision>::Type* target) {
  const Spread spread(run.chunk);
  const DepthwiseSource source{frame, taps, member.depthwise, inputs_of(run), false, first};
  const int channel = first + spread.vector * 4;
  for (int quad = spread.row; quad < run.tiling.quads(); quad += spread.rows) {
    const int pixel = quad * kQuad, row = run.tiling.row(pixel), column = run.tiling.column(pixel);
    float4 sums[kQuad] = {splat(0), splat(0), splat(0), splat(0)};
    if (run.frame.fits()) {
      walk_frame(run.frame, member.window, source, row, column, spread.vector, sums);
    } else if (channel < inputs_of(run)) {
      const Preactivation before(run.reading, channel, inputs_of(run));
      const int top = run.tiling.top(tile) * member.window.stride[0];
      const int left = run.tiling.left(tile) * member.window.stride[1];
      walk_any(
          member.window, source, run.frame.vectors, row, column, spread.vector,
          [&](int y, int x) {
            const int at_row = top + y, at_column = left + x;
            if (at_row < 0 || at_row >= run.height || at_column < 0 || at_column >= run.width) return splat(0);
            return relu(before(run.input.load<layout>(pixel_of(run, image, at_row, at_column), channel)));
          },
          sums);
    }
#pragma unroll
    for (int i = 0; i < kQuad; ++i) keep_factors<precision>(target + (pixel + i) * pitch + spread.vector * 4, sums[i]);
  }
}

template <Precision precision>
struct ForwardParts {
  using Type = typename Factor<precision>::Type;
  float4* frame;
  float4* taps;
  Type* depthwise;  // [pixels, chunk]
  Type* pointwise;  // [chunk, columns]
  float* result;    // [pixels, columns], in the place of both
  float4* scratch;

  __host__ __device__ ForwardParts(Shared& shared, const Separable& s)
      : frame(shared.take<float4>(s.extent.frame / 4)), taps(take_taps(shared, s.extent)) {
    const Extent& e = s.extent;
    const int64_t left = matrix_bytes<Type>(e.inputs, e.pixels, Factor<precision>::kPad + 1);
    const int64_t right = matrix_bytes<Type>(e.weights, e.chunk, Factor<precision>::kPad);
    unsigned char* both =
        take_aligned(shared, larger(left + right, matrix_bytes<float>(e.outputs, e.pixels, kResultPad)));
    depthwise = reinterpret_cast<Type*>(both);
    pointwise = reinterpret_cast<Type*>(both + left);
    result = reinterpret_cast<float*>(both);
    scratch = shared.take<float4>(kWarps * kChunk / 4);
  }
};

// Pointwise weights of chunks: [inputs, outputs], 0 around them.
template <Precision precision>
__device__ void load_pointwise(const Member& member, int inputs, int first_input, int rows, int first_output,
                               int columns, typename Factor<precision>::Type* target) {
  const int outputs = member.output.channels;
  for_block(rows * columns, [&](int item) {
    const int row = item / columns, column = item % columns;
    const int input = first_input + row, output = first_output + column;
    const float weight = input < inputs && output < outputs ? member.pointwise[int64_t{input} * outputs + output] : 0;
    target[row * pitch_of<precision>(columns) + column] = Factor<precision>::of(weight);
  });
}

// Of one tile, its result to where it is kept, and its moments. In bfloat16 the result itself is rounded too: its
// statistics are those of what is kept.
template <Layout layout>
__device__ inline void keep_result(const Run& run, const Member& member, Index image, int tile, int first, int columns,
                                   float* result, float4* scratch) {
  const Tiling& t = run.tiling;
  const int pitch = columns + kResultPad, outputs = member.output.channels;
  const Spread spread(static_cast<int>(smaller(columns, outputs - first)));
  const int channel = first + spread.vector * 4;
  const Place place(t, image, tile);
  for (int pixel = spread.row; channel < outputs && pixel < t.pixels(); pixel += spread.rows) {
    if (!place.has(t.row(pixel), t.column(pixel))) continue;
    float4* from = reinterpret_cast<float4*>(result + pixel * pitch + spread.vector * 4);
    if (member.output.half) *from = map4(*from, [](float x) { return rounded(x, true); });
    member.output.store<layout>(place.pixel(t.row(pixel), t.column(pixel)), channel, *from);
  }
  if (!measures(member.norm.statistics)) return;
  // Each thread reads only what it wrote of `result`.
  piece_moments(
      spread, t.pixels(), t.count(tile), channel, [&](int pixel) { return place.has(t.row(pixel), t.column(pixel)); },
      [&](int pixel) { return *reinterpret_cast<const float4*>(result + pixel * pitch + spread.vector * 4); }, scratch,
      member.moments, image * t.tiles() + tile);
}

template <Precision precision, Layout layout>
__device__ void forward_member(const Run& run, const Member& member, Index image, int tile, int& loaded,
                               const ForwardParts<precision>& parts) {
  const int inputs = inputs_of(run), outputs = member.output.channels;
  for (int first = 0; first < outputs; first += run.columns) {
    const int columns = chunk_channels(outputs, first, run.columns);
    Product<precision> product(run.tiling.pixels(), columns);
    for (int input = 0; input < inputs; input += run.chunk) {
      const int rows = chunk_channels(inputs, input, run.chunk);
      __syncthreads();
      if (loaded != input && run.frame.fits()) load_input<layout>(run, image, tile, input, parts.frame);
      loaded = input;
      load_taps(member.window, member.depthwise, inputs, input, run.frame.vectors, false, parts.taps);
      load_pointwise<precision>(member, inputs, input, rows, first, columns, parts.pointwise);
      __syncthreads();
      depthwise_factors<precision, layout>(run, member, image, tile, input, parts.frame, parts.taps,
                                           left_pitch_of<precision>(run.chunk), parts.depthwise);
      __syncthreads();
      product.add(parts.depthwise, left_pitch_of<precision>(run.chunk), parts.pointwise, pitch_of<precision>(columns),
                  rows);
    }
    __syncthreads();
    product.store(parts.result, columns + kResultPad);
    __syncthreads();
    keep_result<layout>(run, member, image, tile, first, columns, parts.result, parts.scratch);
  }
}

// The run that a task belongs to.
__device__ __forceinline__ const Run& run_of(const Separable& s, Index task, int64_t Run::*first, int64_t Run::*tasks) {
  int r = 0;
  while (r + 1 < s.run_count && task >= s.runs[r].*first + s.runs[r].*tasks) ++r;
  return s.runs[r];
}

// Blocks that the shared memory of a multiprocessor holds, and that registers must not be fewer for: 100 KiB of it hold
// one, those of the GPUs of data centres two.
#if defined(__CUDA_ARCH__) && (__CUDA_ARCH__ == 860 || __CUDA_ARCH__ == 890 || __CUDA_ARCH__ == 1200)
inline constexpr int kBlocks = 1;
#else
inline constexpr int kBlocks = 2;
#endif

template <Precision precision, Layout layout>
__global__ void __launch_bounds__(kThreads, kBlocks) tiles_forward_kernel(DARTSMITH_ARGUMENT(Separable) s) {
  begin_kernel();
  Shared shared(shared_memory());
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
      forward_member<precision, layout>(run, s.members[m], place / tiles, static_cast<int>(place % tiles), loaded,
                                        parts);
    }
  });
}

// --- Backward

template <Precision precision>
struct TileParts {
  using Type = typename Factor<precision>::Type;
  Type* gradient;    // of the output [pixels, columns]
  Type* transposed;  // pointwise weights [columns, chunk]
  float* result;     // of the depthwise output [pixels, chunk]

  __host__ __device__ TileParts(Shared& shared, const Separable& s) {
    const Extent& e = s.extent;
    constexpr int kPad = Factor<precision>::kPad;
    gradient = reinterpret_cast<Type*>(take_aligned(shared, matrix_bytes<Type>(e.outputs, e.pixels, kPad)));
    transposed = reinterpret_cast<Type*>(take_aligned(shared, matrix_bytes<Type>(e.weights, e.columns, kPad)));
    result = reinterpret_cast<float*>(take_aligned(shared, matrix_bytes<float>(e.inputs, e.pixels, kResultPad)));
  }
};

// The output's gradient of a tile, A * g + B * y + D (g is 0 of a dropped sample), for a chunk of channels; 0 outside
// the image.
template <Precision precision, Layout layout>
__device__ void load_gradient(const Run& run, const Member& member, Index image, int tile, int first, int columns,
                              typename Factor<precision>::Type* target) {
  const Tiling& t = run.tiling;
  const Spread spread(columns);
  const int outputs = member.output.channels, channel = first + spread.vector * 4, pitch = pitch_of<precision>(columns);
  if (spread.vector * 4 >= columns) return;
  const Place place(t, image, tile);
  GradientMap map(member.gradient_map, channel, outputs);
  map.gradient_factor = map.gradient_factor * splat(member.dropout.factor(image));
#pragma unroll 4
  for (int pixel = spread.row; pixel < t.pixels(); pixel += spread.rows) {
    const int row = t.row(pixel), column = t.column(pixel);
    float4 value = splat(0);
    if (place.has(row, column) && channel < outputs) {
      const Index at = place.pixel(row, column);
      value = map(member.gradient.load<layout>(at, channel), member.output.load<layout>(at, channel));
    }
    keep_factors<precision>(target + pixel * pitch + spread.vector * 4, value);
  }
}

// Pointwise weights of chunks the other way round: [outputs, inputs], 0 around them.
template <Precision precision>
__device__ void load_transposed(const Member& member, int inputs, int first_input, int columns, int first_output,
                                int rows, typename Factor<precision>::Type* target) {
  const int outputs = member.output.channels;
  for_block(rows * columns, [&](int item) {
    const int row = item % rows, column = item / rows;  // neighbours read neighbouring weights
    const int input = first_input + column, output = first_output + row;
    const float weight = input < inputs && output < outputs ? member.pointwise[int64_t{input} * outputs + output] : 0;
    target[row * pitch_of<precision>(columns) + column] = Factor<precision>::of(weight);
  });
}

// One tile of one member: the depthwise output's gradient.
template <Precision precision, Layout layout>
__device__ void backward_tile(const Run& run, const Member& member, Index image, int tile,
                              const TileParts<precision>& parts) {
  const int inputs = inputs_of(run), outputs = member.output.channels;
  const Tiling& t = run.tiling;
  const Place place(t, image, tile);
  int held = -1;  // chunk of the gradient in shared memory
  for (int input = 0; input < inputs; input += run.chunk) {
    const int columns = chunk_channels(inputs, input, run.chunk);
    Product<precision> product(t.pixels(), columns);
    for (int first = 0; first < outputs; first += run.columns) {
      const int inner = chunk_channels(outputs, first, run.columns);
      __syncthreads();
      if (held != first) load_gradient<precision, layout>(run, member, image, tile, first, inner, parts.gradient);
      held = first;
      load_transposed<precision>(member, inputs, input, columns, first, inner, parts.transposed);
      __syncthreads();
      product.add(parts.gradient, pitch_of<precision>(inner), parts.transposed, pitch_of<precision>(columns), inner);
    }
    product.store(parts.result, columns + kResultPad);
    __syncthreads();
    const Spread spread(columns);
    const int channel = input + spread.vector * 4;
    for (int pixel = spread.row; channel < inputs && pixel < t.pixels(); pixel += spread.rows) {
      if (!place.has(t.row(pixel), t.column(pixel))) continue;
      const float* from = parts.result + pixel * (columns + kResultPad) + spread.vector * 4;
      member.depthwise_gradient.store<layout>(place.pixel(t.row(pixel), t.column(pixel)), channel,
                                              *reinterpret_cast<const float4*>(from));
    }
  }
}

template <Precision precision>
struct WeightParts {
  using Type = typename Factor<precision>::Type;
  Type* gradient;             // of the output [pixels, columns]
  Type* depthwise;            // outputs [pixels, chunk]
  float* depthwise_gradient;  // the same, in their place
  float4* taps;
  float4* frame;
  float* sums;  // of threads, in the place of the frame

  __host__ __device__ WeightParts(Shared& shared, const Separable& s) {
    const Extent& e = s.extent;
    constexpr int kPad = Factor<precision>::kPad;
    gradient = reinterpret_cast<Type*>(take_aligned(shared, matrix_bytes<Type>(e.outputs, e.pixels, kPad)));
    depthwise_gradient =
        reinterpret_cast<float*>(take_aligned(shared, larger(matrix_bytes<Type>(e.inputs, e.pixels, kPad),
                                                             matrix_bytes<float>(e.inputs, e.pixels, kResultPad))));
    depthwise = reinterpret_cast<Type*>(depthwise_gradient);
    taps = take_taps(shared, e);
    sums = reinterpret_cast<float*>(
        take_aligned(shared, larger(e.frame, kSumElements) * static_cast<int64_t>(sizeof(float))));
    frame = reinterpret_cast<float4*>(sums);
  }
};

// The depthwise output's gradient of a tile, 0 outside the image: [pixels, chunk + kResultPad].
template <Layout layout>
__device__ inline void load_depthwise_gradient(const Run& run, const Member& member, Index image, int tile, int first,
                                               float* target) {
  const Tiling& t = run.tiling;
  const Spread spread(run.chunk);
  const int channel = first + spread.vector * 4;
  const Place place(t, image, tile);
#pragma unroll 4
  for (int pixel = spread.row; pixel < t.pixels(); pixel += spread.rows) {
    const int row = t.row(pixel), column = t.column(pixel);
    const bool inside = place.has(row, column) && channel < inputs_of(run);
    *reinterpret_cast<float4*>(target + pixel * (run.chunk + kResultPad) + spread.vector * 4) =
        inside ? member.depthwise_gradient.load<layout>(place.pixel(row, column), channel) : splat(0);
  }
}

// A thread's share of a square kernel's weights: a row of them for every `slices`-th row of pixels.
struct TapShare {
  int kernel, vectors, slices;
  int vector, ky, slice;

  __device__ TapShare(const Run& run, const DepthwiseWindow& w) : kernel(w.kernel[0]), vectors(run.frame.vectors) {
    const int together = kernel * vectors, thread = static_cast<int>(threadIdx.x);
    slices = static_cast<int>(larger(1, smaller(kThreads / together, run.tiling.tile_height)));
    vector = thread % vectors;
    ky = thread / vectors % kernel;
    slice = thread / together;
  }
  __device__ bool has_any() const { return slice < slices; }
};

// target (=|+=) value: the first tile of a task overwrites.
__device__ __forceinline__ void keep_sum(float* target, float value, bool first) {
  *target = first ? value : *target + value;
}

// What one tile adds to the gradient of a chunk of any depthwise weights.
template <Layout layout>
__device__ inline void correlate_any(const Run& run, const Member& member, Index image, int tile, int first,
                                     const float4* frame, const float* gradient, float* partial, bool first_tile) {
  const Tiling& t = run.tiling;
  const DepthwiseWindow& w = member.window;
  const int inputs = inputs_of(run), vectors = static_cast<int>(divide_up(smaller(run.chunk, inputs - first), 4));
  for_block(w.taps() * vectors, [&](int item) {
    const int tap = item / vectors, vector = item % vectors, channel = first + vector * 4;
    const int down = tap / w.kernel[1] * w.dilation[0] - w.padding[0];
    const int right = tap % w.kernel[1] * w.dilation[1] - w.padding[1];
    const Preactivation before(run.reading, channel, inputs);
    float4 sum = splat(0);
    for (int pixel = 0; pixel < t.pixels(); ++pixel) {
      const float4 g = *reinterpret_cast<const float4*>(gradient + pixel * (run.chunk + kResultPad) + vector * 4);
      const int y = t.row(pixel) * w.stride[0] + down, x = t.column(pixel) * w.stride[1] + right;
      float4 value = splat(0);
      if (run.frame.fits()) {
        value = frame[((y - run.frame.low[0]) * run.frame.size[1] + x - run.frame.low[1]) * run.frame.pitch + vector];
      } else {
        const int at_row = t.top(tile) * w.stride[0] + y, at_column = t.left(tile) * w.stride[1] + x;
        if (at_row >= 0 && at_row < run.height && at_column >= 0 && at_column < run.width) {
          value = relu(before(run.input.load<layout>(pixel_of(run, image, at_row, at_column), channel)));
        }
      }
      sum = fused(g, value, sum);
    }
    for (int i = 0; i < 4 && channel + i < inputs; ++i) {
      keep_sum(partial + int64_t{tap} * inputs + channel + i, at(sum, i), first_tile);
    }
  });
}

// Where the weight gradients of a task are, and of what they are.
struct WeightTask {
  int input, rows;      // chunk of inputs, what a product takes of it
  int output, columns;  // of outputs
  Index slice;

  __device__ WeightTask(const Run& run, const Member& member, Index task) {
    const int inputs = inputs_of(run), outputs = member.output.channels;
    slice = task % member.slices;
    const int pair = static_cast<int>(task / member.slices), chunks = (inputs + run.chunk - 1) / run.chunk;
    input = pair % chunks * run.chunk;
    output = pair / chunks * run.columns;
    rows = chunk_channels(inputs, input, run.chunk);
    columns = chunk_channels(outputs, output, run.columns);
  }
};

// The sums of a product's slices, to where the pointwise weights' partial sums are kept.
template <Precision precision>
__device__ void keep_product(const SlicedProduct<precision>& product, const WeightTask& task, int inputs, int outputs,
                             float* sums, float* pointwise) {
  __syncthreads();
  product.store(sums);
  __syncthreads();
  const int pitch = task.columns + kResultPad;
  for_block(task.rows * task.columns, [&](int item) {
    const int row = item / task.columns, column = item % task.columns;
    if (task.input + row >= inputs || task.output + column >= outputs) return;
    float sum = 0;
    for (int slice = 0; slice < product.slices(); ++slice) sum += sums[(slice * task.rows + row) * pitch + column];
    pointwise[int64_t{task.input + row} * outputs + task.output + column] = sum;
  });
}

// The threads' sums, to where the depthwise weights' partial sums are kept.
__device__ inline void keep_taps(const TapShare& share, const float4 (&own)[kMostKernel], int first, int inputs,
                                 float4* sums, float* partial) {
  __syncthreads();
  const int taps = share.kernel * share.kernel;
  if (share.has_any()) {
#pragma unroll
    for (int kx = 0; kx < kMostKernel; ++kx) {
      if (kx >= share.kernel) break;
      sums[(share.slice * taps + share.ky * share.kernel + kx) * share.vectors + share.vector] = own[kx];
    }
  }
  __syncthreads();
  for_block(taps * share.vectors, [&](int item) {
    const int tap = item / share.vectors, channel = first + item % share.vectors * 4;
    float4 sum = splat(0);
    for (int slice = 0; slice < share.slices; ++slice) sum = sum + sums[slice * taps * share.vectors + item];
    store_channels(partial + int64_t{tap} * inputs, channel, inputs, sum);
  });
}

// The tiles of a task: what they add to the weight gradients of its chunks.
template <Precision precision, Layout layout>
__device__ void weight_gradients(const Separable& s, const Member& member, Index own_task,
                                 const WeightParts<precision>& parts) {
  const Run& run = s.runs[member.run];
  const Tiling& t = run.tiling;
  const DepthwiseWindow& w = member.window;
  const int inputs = inputs_of(run), outputs = member.output.channels;
  const WeightTask task(run, member, own_task);
  const bool correlates = task.output == 0;  // the others have the same inputs
  const bool in_registers = run.frame.fits() && with_square(w, [](auto, auto, auto) {});
  const TapShare share(run, w);
  float* partial = member.weight_partials + task.slice * weight_elements(member, inputs);
  SlicedProduct<precision> product(task.rows, task.columns);
  float4 taps[kMostKernel] = {splat(0), splat(0), splat(0), splat(0), splat(0)};
  const Index in_image = static_cast<Index>(t.tiles()), tiles = static_cast<Index>(s.batch) * in_image;
  const Index begin = task.slice * member.tiles_a_slice;
  for (Index at = begin; at < tiles && at < begin + member.tiles_a_slice; ++at) {
    const Index image = at / in_image;
    const int tile = static_cast<int>(at % in_image);
    __syncthreads();
    load_gradient<precision, layout>(run, member, image, tile, task.output, task.columns, parts.gradient);
    if (run.frame.fits()) load_input<layout>(run, image, tile, task.input, parts.frame);
    if (at == begin) load_taps(w, member.depthwise, inputs, task.input, run.frame.vectors, false, parts.taps);
    __syncthreads();
    depthwise_factors<precision, layout>(run, member, image, tile, task.input, parts.frame, parts.taps,
                                         pitch_of<precision>(run.chunk), parts.depthwise);
    __syncthreads();
    product.add(parts.depthwise, pitch_of<precision>(run.chunk), parts.gradient, pitch_of<precision>(task.columns),
                t.pixels());
    if (!correlates) continue;
    __syncthreads();
    load_depthwise_gradient<layout>(run, member, image, tile, task.input, parts.depthwise_gradient);
    __syncthreads();
    if (!in_registers) {
      correlate_any<layout>(run, member, image, tile, task.input, parts.frame, parts.depthwise_gradient, partial,
                            at == begin);
    } else if (share.has_any()) {
      with_square(w, [&](auto kernel, auto dilation, auto stride) {
        correlate_square<kernel.value, dilation.value, stride.value>(
            run.frame, w, t, parts.frame, parts.depthwise_gradient, run.chunk + kResultPad, share.vector, share.ky,
            share.slice, share.slices, taps);
      });
    }
  }
  keep_product(product, task, inputs, outputs, parts.sums, partial + int64_t{w.taps()} * inputs);
  if (correlates && in_registers) keep_taps(share, taps, task.input, inputs, parts.frame, partial);
}

struct GradientParts {
  float4* frame;
  float4* taps;
  float4* scratch;
  __host__ __device__ GradientParts(Shared& shared, const Separable& s)
      : frame(shared.take<float4>(s.extent.gradient_frame / 4)),
        taps(take_taps(shared, s.extent)),
        scratch(shared.take<float4>(kWarps * kChunk / 4)) {}
};

// One member's data gradient at an input pixel, whatever its strides.
template <Layout layout>
__device__ inline float4 gather_gradient(const Run& run, const Member& member, Index image, int row, int column,
                                         int channel) {
  const DepthwiseWindow& w = member.window;
  const Tiling& t = run.tiling;
  float4 sum = splat(0);
  for (int ky = 0; ky < w.kernel[0]; ++ky) {
    const int from_row = w.unstrided(row + w.padding[0] - ky * w.dilation[0], 0);
    if (from_row < 0 || from_row >= t.height) continue;
    for (int kx = 0; kx < w.kernel[1]; ++kx) {
      const int from_column = w.unstrided(column + w.padding[1] - kx * w.dilation[1], 1);
      if (from_column < 0 || from_column >= t.width) continue;
      const Index pixel =
          image * static_cast<Index>(t.height * t.width) + static_cast<Index>(from_row * t.width + from_column);
      const float4 weight =
          channel_values(member.depthwise + int64_t{ky * w.kernel[1] + kx} * inputs_of(run), channel, inputs_of(run));
      sum = fused(weight, member.depthwise_gradient.load<layout>(pixel, channel), sum);
    }
  }
  return sum;
}

// The sum over a run's members for four input pixels of a tile.
template <Layout layout>
__device__ inline void sum_members(const Separable& s, const Run& run, Index image, int tile, int first,
                                   const Spread& spread, const GradientParts& parts, float4 (&sums)[kQuad]) {
  const Tiling& t = run.input_tiling;
  const int pixel = spread.row * kQuad, row = t.row(pixel), column = t.column(pixel);
  const int channel = first + spread.vector * 4;
  const bool active = spread.row < t.quads();
  for (int m = run.first; m < run.first + run.count; ++m) {
    const Member& member = s.members[m];
    if (!run.by_frame) {
      for (int i = 0; i < kQuad && active && channel < inputs_of(run); ++i) {
        const int at_row = t.top(tile) + row, at_column = t.left(tile) + column + i;
        if (at_row >= t.height || at_column >= t.width) continue;
        sums[i] = sums[i] + gather_gradient<layout>(run, member, image, at_row, at_column, channel);
      }
      continue;
    }
    __syncthreads();
    load_frame<layout>(run.gradient_frame, t, tile, member.depthwise_gradient, image, run.tiling.height,
                       run.tiling.width, first, parts.frame, [](int) { return [](float4 g) { return g; }; });
    load_taps(member.window, member.depthwise, inputs_of(run), first, run.gradient_frame.vectors, true, parts.taps);
    __syncthreads();
    if (!active) continue;
    DepthwiseWindow turned = member.window;
    for (int axis = 0; axis < 2; ++axis) turned.padding[axis] = turned.reach(axis) - turned.padding[axis];
    const DepthwiseSource source{parts.frame, parts.taps, member.depthwise, inputs_of(run), true, first};
    walk_frame<1>(run.gradient_frame, turned, source, row, column, spread.vector, sums);
  }
}

// The input's gradient of one tile and chunk of channels: where the relu let the input through.
template <Layout layout>
__device__ inline void input_gradient(const Separable& s, Index task, const GradientParts& parts) {
  const Run& run = run_of(s, task, &Run::first_gradient_task, &Run::gradient_tasks);
  const Tiling& t = run.input_tiling;
  const Index chunks = static_cast<Index>((inputs_of(run) + run.chunk - 1) / run.chunk);
  const Index own = static_cast<Index>(task - run.first_gradient_task), place = own / chunks;
  const int first = static_cast<int>(own % chunks) * run.chunk;
  const Index image = place / static_cast<Index>(t.tiles());
  const int tile = static_cast<int>(place % static_cast<Index>(t.tiles()));
  const Spread spread(run.chunk);
  const int channel = first + spread.vector * 4;
  float4 sums[kQuad] = {splat(0), splat(0), splat(0), splat(0)};
  sum_members<layout>(s, run, image, tile, first, spread, parts, sums);
  float4 gradients = splat(0), products = splat(0);
  if (channel < inputs_of(run)) {
    const Preactivation before(run.reading, channel, inputs_of(run));
    for (int i = 0; i < kQuad; ++i) {
      const int pixel = spread.row * kQuad + i;
      const int row = t.top(tile) + t.row(pixel), column = t.left(tile) + t.column(pixel);
      if (pixel >= t.pixels() || row >= t.height || column >= t.width) continue;
      const Index at = pixel_of(run, image, row, column);
      const float4 x = run.input.load<layout>(at, channel);
      const float4 g = passed(before(x), sums[i]);
      gradients = gradients + g;
      products = fused(g, x - before.mean, products);
      run.target.add<layout>(at, channel, g, run.mode == GradientMode::kAccumulate);
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

template <Precision precision, Layout layout>
__global__ void __launch_bounds__(kThreads, kBlocks) tiles_product_kernel(DARTSMITH_ARGUMENT(Separable) s) {
  begin_kernel();
  Shared shared(shared_memory());
  const TileParts<precision> parts(shared, s);
  for_tasks(s.tile_tasks, [&](Index task) {
    const Member& member = s.owner(task, &Member::first_task);
    const Run& run = s.runs[member.run];
    const Index tiles = static_cast<Index>(run.tiling.tiles()), own = static_cast<Index>(task - member.first_task);
    backward_tile<precision, layout>(run, member, own / tiles, static_cast<int>(own % tiles), parts);
  });
}

template <Precision precision, Layout layout>
__global__ void __launch_bounds__(kThreads, kBlocks) tiles_weights_kernel(DARTSMITH_ARGUMENT(Separable) s) {
  begin_kernel();
  Shared shared(shared_memory());
  const WeightParts<precision> parts(shared, s);
  for_tasks(s.weight_tasks, [&](Index task) {
    const Member& member = s.owner(task, &Member::first_weight_task);
    weight_gradients<precision, layout>(s, member, static_cast<Index>(task - member.first_weight_task), parts);
  });
}

template <Layout layout>
__global__ void __launch_bounds__(kThreads, kBlocks) tiles_data_kernel(DARTSMITH_ARGUMENT(Separable) s) {
  begin_kernel();
  Shared shared(shared_memory());
  const GradientParts parts(shared, s);
  for_tasks(s.gradient_tasks, [&](Index task) { input_gradient<layout>(s, task, parts); });
}

// Each is compiled in a file of its own (separable_forward.cu, separable_backward.cu, separable_weights.cu).
using Kernel = KernelOf<Separable>;
Kernel forward_kernel(Precision precision, Layout layout);
Kernel product_kernel(Precision precision, Layout layout);
Kernel weights_kernel(Precision precision, Layout layout);
Kernel data_kernel(Layout layout);

// What tiles of a layout multiply in: tensor cores only where channels lie as a precision stores vectors of them. Any
// other layout costs more to load than to multiply.
inline Precision product_precision(Precision precision, Layout layout) {
  return layout == (precision == Precision::kBf16 ? Layout::kHalves : Layout::kFloats) ? precision : Precision::kFp32;
}

// Calls body(precision, layout) with std::integral_constants, for a precision that fits the layout as above.
template <typename Body>
Kernel kernel_of(Precision precision, Layout layout, const Body& body) {
  return with_precision(precision, [&](auto known) {
    constexpr Layout kVectors = known.value == Precision::kBf16 ? Layout::kHalves : Layout::kFloats;
    if (layout == kVectors) return body(known, std::integral_constant<Layout, kVectors>{});
    return body(std::integral_constant<Precision, Precision::kFp32>{}, std::integral_constant<Layout, Layout::kAny>{});
  });
}

}  // namespace dartsmith::cuda::separable
