// What the unit tests share: strings as spans and back, and seeds that are printed.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <utility>

#include "core/record.h"

namespace tviews::core {

inline ByteSpan Span(const std::string& text) { return {reinterpret_cast<const unsigned char*>(text.data()), text.size()}; }

inline std::string Text(ByteSpan span) {
  return span.size == 0 ? std::string() : std::string(reinterpret_cast<const char*>(span.data), span.size);
}

inline bool operator==(ByteSpan a, ByteSpan b) { return Text(a) == Text(b); }

// A key as a test likes to compare it.
using PlainKey = std::pair<PointId, std::string>;

// Random numbers with a fixed seed per repetition; the failing seed is in the trace.
class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  // In [0, limit).
  size_t Below(size_t limit) { return engine_() % limit; }
  std::string Bytes(size_t length) {
    std::string bytes(length, '\0');
    for (char& byte : bytes) {
      byte = static_cast<char>(engine_());
    }
    return bytes;
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace tviews::core
