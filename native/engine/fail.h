// How the engine says what went wrong: "[op] expected ... got ...". In a header of its own, and without those of
// strings, which every CUDA file would wait for half a second.
#pragma once
#include <cstddef>
#include <type_traits>

namespace dartsmith {

// A part of a message: a text, which must live as long as the call, or a number.
class MessagePart {
 public:
  MessagePart(const char* text) : kind_(Kind::kText), text_(text), size_(__builtin_strlen(text)) {}
  template <typename Text>
  requires requires(const Text& text) {
    text.data();
    text.size();
  }
  MessagePart(const Text& text) : kind_(Kind::kText), text_(text.data()), size_(text.size()) {}
  template <typename Number>
  requires std::is_arithmetic_v<Number> MessagePart(Number number) {
    if constexpr (std::is_floating_point_v<Number>) {
      kind_ = Kind::kReal;
      real_ = static_cast<double>(number);
    } else if constexpr (std::is_signed_v<Number>) {
      kind_ = Kind::kInteger;
      integer_ = number;
    } else {
      kind_ = Kind::kUnsigned;
      unsigned_ = number;
    }
  }

 private:
  friend struct Message;
  enum class Kind { kText, kInteger, kUnsigned, kReal } kind_;
  const char* text_ = nullptr;
  size_t size_ = 0;
  long long integer_ = 0;
  unsigned long long unsigned_ = 0;
  double real_ = 0;
};

// Throws Error (engine/error.h).
[[noreturn]] void fail_with(const char* op, const MessagePart* parts, size_t count);

template <typename... Parts>
[[noreturn]] void fail(const char* op, const Parts&... parts) {
  const MessagePart all[] = {parts...};
  fail_with(op, all, sizeof...(parts));
}

}  // namespace dartsmith
