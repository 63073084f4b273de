// uint8 images and labels held by a device.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/backend.h"
#include "engine/serial.h"

namespace dartsmith {

struct Dataset {
  // Nothing but labels of 0 at first, which every network has.
  Dataset(const std::shared_ptr<Backend>& backend, int64_t images, const Shape& image)
      : count(images),
        shape(image),
        images(backend, static_cast<size_t>(images * image.elements())),
        labels(backend, static_cast<size_t>(images) * sizeof(int32_t)) {
    backend->initialise(this->labels.as<void>(), nullptr, this->labels.bytes());
  }

  // On the device's thread.
  void write(Backend& backend, int64_t first, const std::vector<uint8_t>& pixels, const std::vector<int32_t>& classes) {
    backend.upload(images.as<uint8_t>() + first * shape.elements(), pixels.data(), pixels.size());
    backend.upload(labels.as<int32_t>() + first, classes.data(), classes.size() * sizeof(int32_t));
  }

  const uint64_t serial = next_serial();
  const int64_t count;
  int64_t classes = 1;  // one more than the largest label
  const Shape shape;
  Buffer images;  // [count, height, width, channels]
  Buffer labels;  // [count]
};

}  // namespace dartsmith
