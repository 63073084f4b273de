// uint8 images and labels held by a device.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>

#include "engine/backend.h"
#include "engine/error.h"
#include "engine/serial.h"

namespace dartsmith {

struct Dataset {
  Dataset(const std::shared_ptr<Backend>& backend, const uint8_t* pixels, const int32_t* classes_of, int64_t images,
          const Shape& image)
      : count(images),
        classes(images > 0 ? int64_t{*std::max_element(classes_of, classes_of + images)} + 1 : 0),
        shape(image),
        images(backend, static_cast<size_t>(images * image.elements())),
        labels(backend, static_cast<size_t>(images) * sizeof(int32_t)) {
    if (images < 1) fail("dataset", "expected at least one image");
    if (*std::min_element(classes_of, classes_of + images) < 0) fail("dataset", "expected labels from 0");
    backend->initialise(this->images.as<void>(), pixels, this->images.bytes());
    backend->initialise(this->labels.as<void>(), classes_of, this->labels.bytes());
  }

  const uint64_t serial = next_serial();
  int64_t count;
  int64_t classes;  // one more than the largest label
  Shape shape;
  Buffer images;  // [count, height, width, channels]
  Buffer labels;  // [count]
};

}  // namespace dartsmith
