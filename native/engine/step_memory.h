// What a run of commands takes to the device besides parameters and data, and what it brings back: each one copy, at
// addresses that stay from run to run, so that a recorded run can be replayed with other numbers.
#pragma once
#include <cstring>
#include <memory>
#include <vector>

#include "engine/backend.h"
#include "engine/error.h"

namespace dartsmith {

// A place in the step's memory.
struct StepPlace {
  size_t offset = 0;
};

class StepMemory {
 public:
  // Of one run at most; a pass takes one, and one more for each term of a sum of losses.
  static constexpr int kResults = 4096;

  explicit StepMemory(std::shared_ptr<Backend> backend) : backend_(std::move(backend)) {}

  void begin() { image_.clear(); }

  // Takes a copy of what upload() sends.
  StepPlace add(const void* values, size_t bytes) {
    const StepPlace place{image_.size()};
    image_.resize((image_.size() + bytes + kAlignment - 1) / kAlignment * kAlignment);
    if (bytes > 0) std::memcpy(image_.data() + place.offset, values, bytes);
    return place;
  }
  template <typename T>
  StepPlace add(const T& value) {
    return add(&value, sizeof value);
  }

  // Makes room where there is not enough: addresses differ then. Says so.
  bool make_room() {
    bool moved = false;
    if (results_.bytes() == 0) {
      results_ = Buffer(backend_, kResults * sizeof(Result));
      moved = true;
    }
    if (inputs_.bytes() < image_.size()) {
      inputs_ = Buffer();
      inputs_ = Buffer(backend_, 2 * image_.size());
      moved = true;
    }
    return moved;
  }
  void upload() {
    if (!image_.empty()) backend_->upload(inputs_.as<void>(), image_.data(), image_.size());
  }

  // Where the device finds what was added.
  template <typename T>
  const T* address(StepPlace place) const {
    return reinterpret_cast<const T*>(inputs_.as<std::byte>() + place.offset);
  }

  LossResult* loss_address(int result) const { return &results_.as<Result>()[result].loss; }
  double* number_address(int result) const { return &results_.as<Result>()[result].number; }

  // Fetches the first `count` results.
  void download(int count) {
    fetched_.resize(count);
    if (count > 0) backend_->download(fetched_.data(), results_.as<void>(), count * sizeof(Result));
  }
  const LossResult& loss(int result) const { return fetched_[result].loss; }
  double number(int result) const { return fetched_[result].number; }

 private:
  static constexpr size_t kAlignment = 16;

  union Result {
    LossResult loss;
    double number;
    Result() : number(0) {}
  };
  // The results of a sum's terms lie behind its own (Executor::loss_call).
  static_assert(sizeof(Result) == sizeof(LossResult));

  std::shared_ptr<Backend> backend_;
  std::vector<std::byte> image_;
  Buffer inputs_;
  Buffer results_;
  std::vector<Result> fetched_;
};

}  // namespace dartsmith
