#include "engine/fail.h"

#include <cstdio>
#include <string>

#include "engine/error.h"

namespace dartsmith {

struct Message {
  std::string text;

  void append(const MessagePart& part) {
    char digits[32];
    switch (part.kind_) {
      case MessagePart::Kind::kText:
        text.append(part.text_, part.size_);
        return;
      case MessagePart::Kind::kInteger:
        text += std::to_string(part.integer_);
        return;
      case MessagePart::Kind::kUnsigned:
        text += std::to_string(part.unsigned_);
        return;
      case MessagePart::Kind::kReal:
        std::snprintf(digits, sizeof(digits), "%g", part.real_);
        text += digits;
        return;
    }
  }
};

void fail_with(const char* op, const MessagePart* parts, size_t count) {
  Message message{"["};
  message.text.append(op).append("] ");
  for (size_t i = 0; i < count; ++i) message.append(parts[i]);
  throw Error(message.text);
}

}  // namespace dartsmith
