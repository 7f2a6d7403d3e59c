#include "memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include "../../error.h"

namespace lanyard::ops::cpu {
namespace {

constexpr size_t kPage = 4096, kHugePage = size_t{2} << 20;
// Address space taken at a time.
constexpr size_t kChunk = size_t{64} << 20;

constexpr size_t whole(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

// One piece follows the other in chunks that begin and end with a huge page: mapped one by one, matrices smaller than that would
// have none and each other one would lose up to two. On virtual machines every small page costs a long walk through two tables.
class Chunks {
 public:
  // Null: the system gave none.
  uint8_t* take(size_t bytes) {
    const size_t size = whole(bytes, kPage);
    std::lock_guard guard(lock_);
    if (size > left_) {
      if (!next_chunk(std::max(whole(size, kHugePage), kChunk)) && !next_chunk(whole(size, kHugePage))) return nullptr;
    }
    left_ -= size;
    return std::exchange(at_, at_ + size);
  }

 private:
  bool next_chunk(size_t bytes) {
    void* data = mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) return false;
    auto* first = static_cast<uint8_t*>(data);
    const size_t skip = whole(reinterpret_cast<uintptr_t>(first), kHugePage) - reinterpret_cast<uintptr_t>(first);
    if (skip > 0) munmap(first, skip);
    if (skip < kHugePage) munmap(first + skip + bytes, kHugePage - skip);
    madvise(first + skip, bytes, MADV_HUGEPAGE);
    if (left_ > 0) munmap(at_, left_);
    at_ = first + skip;
    left_ = bytes;
    return true;
  }

  std::mutex lock_;
  uint8_t* at_ = nullptr;
  size_t left_ = 0;
};

Chunks& chunks() {
  static Chunks all;
  return all;
}

}  // namespace

Memory::Memory(size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  data_ = chunks().take(bytes);
  if (!data_) {
    throw Error("out_of_memory", "The system gave no " + std::to_string(bytes >> 20) + " MiB of memory.");
  }
}

Memory::Memory(const uint8_t* data, size_t bytes, std::shared_ptr<const void> owner)
    : data_(const_cast<uint8_t*>(data)), bytes_(bytes), owner_(std::move(owner)) {}

Memory::~Memory() {
  if (data_ && !owner_) munmap(data_, whole(bytes_, kPage));
}

Memory::Memory(Memory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)), owner_(std::move(other.owner_)) {}

Memory& Memory::operator=(Memory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(owner_, other.owner_);
  return *this;
}

}  // namespace lanyard::ops::cpu
