// A stack of chunks, each twice as large as the one before it up to a limit.
#include "core/arena.h"

#include <algorithm>
#include <new>

namespace tviews::core {

namespace {
constexpr size_t kFirstChunk = 1024;
constexpr size_t kLargestChunk = 256 * 1024;
constexpr size_t Align(size_t size) { return (size + 7) & ~size_t{7}; }
}  // namespace

void Arena::Reserve(size_t size) {
  size = Align(size);
  if (last_ != nullptr && last_->size - used_ >= size) {
    return;
  }
  const size_t next = last_ == nullptr ? kFirstChunk : std::min(kLargestChunk, last_->size * 2);
  const size_t room = std::max(next, size);
  auto* chunk = static_cast<Chunk*>(::operator new(sizeof(Chunk) + room));
  *chunk = {last_, room};
  last_ = chunk;
  used_ = 0;
}

void* Arena::Take(size_t size) noexcept {
  auto* place = reinterpret_cast<unsigned char*>(last_ + 1) + used_;
  used_ += Align(size);
  return place;
}

void Arena::Drop() noexcept {
  Chunk* chunk = last_;
  last_ = chunk->previous;
  ::operator delete(chunk);
}

void Arena::Rewind(Mark mark) noexcept {
  while (last_ != mark.chunk) {
    if (mark.chunk == nullptr && last_->previous == nullptr && last_->size == kFirstChunk) {
      used_ = 0;
      return;
    }
    Drop();
  }
  used_ = mark.used;
}

void Arena::Clear() noexcept {
  while (last_ != nullptr) {
    Drop();
  }
  used_ = 0;
}

}  // namespace tviews::core
