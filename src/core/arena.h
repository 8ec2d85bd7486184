// Memory for many small things of one fate, given back all at once or back to a mark.  Private to core.
#pragma once

#include <cstddef>

namespace tviews::core {

class Arena {
 public:
  struct Mark {
    void* chunk;
    size_t used;
  };

  Arena() noexcept = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() { Clear(); }

  // Makes the next Take of at most `size` bytes succeed.  Throws std::bad_alloc, and then changed nothing.
  void Reserve(size_t size);

  // `size` bytes, aligned to 8.  REQUIRES: Reserve(size) since the last Take.
  void* Take(size_t size) noexcept;

  // The present end, and back to it: everything taken since is gone.  Marks nest like a stack.
  Mark GetMark() const noexcept { return {last_, last_ == nullptr ? 0 : used_}; }
  void Rewind(Mark mark) noexcept;

  // Gives back everything, but keeps one small chunk for the next user.
  void Reset() noexcept { Rewind({nullptr, 0}); }
  void Clear() noexcept;

 private:
  struct Chunk {
    Chunk* previous;
    size_t size;  // bytes behind this header
  };
  void Drop() noexcept;  // the last chunk

  Chunk* last_ = nullptr;
  size_t used_ = 0;  // of the last chunk
};

}  // namespace tviews::core
