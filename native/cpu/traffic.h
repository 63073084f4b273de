// What moves between memory and caches beside the arithmetic: fetched before it is read, copied out without a stay in
// the caches.
#pragma once
#include "cpu/simd.h"

namespace dartsmith::cpu::DARTSMITH_ISA {

inline constexpr int64_t kLineBytes = 64;  // of the caches

// Whether a tensor that a kernel has written is in a core's cache when the next one reads it.
inline bool stays_cached(const Tensor& tensor) {
  constexpr int64_t kCachedBytes = 1 << 20;
  return elements_of(tensor) * element_bytes(tensor.precision) <= kCachedBytes;
}

// Whether stores can leave the caches alone.
#if defined(__AVX2__)
inline constexpr bool kStreams = true;
#else
inline constexpr bool kStreams = false;
#endif

// Copies to memory that nobody reads soon; where the tuning says so, past the caches: the lines are not fetched first.
// A task that does so ends with finish_copies().
inline void copy_out(float* to, const float* from, int64_t count, const Tuning& tuning) {
  int64_t i = 0;
#if defined(__AVX2__)
  if (tuning.streams && reinterpret_cast<uintptr_t>(to) % kLineBytes == 0) {
    for (; i + kLanes <= count; i += kLanes) {
#if defined(__AVX512F__)
      _mm512_stream_ps(to + i, (__m512)load(from + i));
#else
      _mm256_stream_ps(to + i, (__m256)load(from + i));
#endif
    }
  }
#else
  (void)tuning;
#endif
  for (; i + kLanes <= count; i += kLanes) store(to + i, load(from + i));
  for (; i < count; ++i) to[i] = from[i];
}

// Makes what copy_out wrote visible to other threads.
inline void finish_copies() {
#if defined(__AVX2__)
  _mm_sfence();
#endif
}

// Starts fetching what is read soon while something else is computed. Every line: what is read in steps of a pixel
// gives the hardware's prefetcher little to follow.
template <typename Element>
void fetch_ahead(const Element* from, int64_t count) {
  const char* bytes = reinterpret_cast<const char*>(from);
  for (int64_t i = 0; i < count * static_cast<int64_t>(sizeof(Element)); i += kLineBytes) {
    __builtin_prefetch(bytes + i, 0, 3);
  }
}

// What is read next, as many elements as what is read now: fetched into the second-level cache at the same pace. The
// hardware begins anew at each page and with each tensor, which leaves a core waiting for half of its time.
struct Ahead {
  static constexpr int64_t kWalkElements = 2048;
  const char* from = nullptr;  // null for nothing
  int64_t element_bytes = 0;

  Ahead() = default;
  explicit Ahead(const float* next) : from(reinterpret_cast<const char*>(next)), element_bytes(sizeof(float)) {}
  Ahead(const Tensor& tensor, int64_t first)
      : from(reinterpret_cast<const char*>(tensor.data) + first * dartsmith::element_bytes(tensor.precision)),
        element_bytes(dartsmith::element_bytes(tensor.precision)) {}

  // What the same walk over a tensor reaches a few pages later.
  static Ahead in(const float* tensor) { return Ahead(tensor + kWalkElements); }

  void fetch(int64_t element) const {
    if (from != nullptr) __builtin_prefetch(from + element * element_bytes, 0, 2);
  }
};

// What a core fetches and copies out between other work, a few lines at a time: much at once holds it up as the reads
// and stores themselves would.
class Traffic {
 public:
  explicit Traffic(const Tuning& tuning) : tuning_(tuning) {}
  Traffic(const Traffic&) = delete;
  Traffic& operator=(const Traffic&) = delete;

  // Drops what was still to be fetched.
  void clear_fetches() { next_ = count_ = 0; }

  // What is read soon; drops what there is no room for.
  template <typename Element>
  void fetch(const Element* from, int64_t elements) {
    if (next_ == count_) clear_fetches();
    if (count_ == kRanges || elements <= 0) return;
    const char* bytes = reinterpret_cast<const char*>(from);
    ranges_[count_++] = {bytes, bytes + elements * static_cast<int64_t>(sizeof(Element))};
  }

  // What nobody reads soon: `from` must stay as it is until finish(), or until something else is left.
  void leave(float* to, const float* from, int64_t count) {
    finish();
    to_ = to;
    from_ = from;
    left_ = count;
  }
  void finish() {
    copy_out(to_, from_, left_, tuning_);
    left_ = 0;
  }

  // As much as memory serves while `products` vectors are multiplied.
  void during(int64_t products) {
    if (left_ > 0) copy_lines(products / kProductsALine);
    fetch_lines(min(products >> tuning_.products_log2, kLinesAtOnce));
  }

 private:
  static constexpr int kRanges = 8;
  static constexpr int64_t kLinesAtOnce = 24;    // that are fetched
  static constexpr int64_t kProductsALine = 32;  // that is copied
  struct Range {
    const char *at, *end;
  };

  // The next lines, in the order of the ranges.
  void fetch_lines(int64_t count) {
    for (; count > 0 && next_ < count_; --count) {
      Range& range = ranges_[next_];
      if (tuning_.fetch_level == 1) {
        __builtin_prefetch(range.at, 0, 3);
      } else {
        __builtin_prefetch(range.at, 0, 2);
      }
      range.at += kLineBytes;
      if (range.at >= range.end) ++next_;
    }
  }
  // A call: the loops around it keep their registers.
  __attribute__((noinline)) void copy_lines(int64_t count) {
    constexpr int64_t kLine = kLineBytes / sizeof(float);
    const int64_t copied = min(left_, count * kLine);
    copy_out(to_, from_, copied, tuning_);
    to_ += copied;
    from_ += copied;
    left_ -= copied;
  }

  const Tuning& tuning_;
  Range ranges_[kRanges];
  int next_ = 0, count_ = 0;
  float* to_ = nullptr;
  const float* from_ = nullptr;
  int64_t left_ = 0;  // to copy
};

}  // namespace dartsmith::cpu::DARTSMITH_ISA
