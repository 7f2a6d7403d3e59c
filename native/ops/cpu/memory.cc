#include "memory.h"

#include <sys/mman.h>

#include <string>
#include <utility>

#include "../../error.h"

namespace lanyard::ops::cpu {
namespace {
constexpr size_t kHugePage = size_t{2} << 20;
}

Memory::Memory(size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) {
    throw Error("out_of_memory", "The system gave no " + std::to_string(bytes >> 20) + " MiB of memory.");
  }
  if (bytes >= kHugePage) madvise(data, bytes, MADV_HUGEPAGE);
  data_ = static_cast<uint8_t*>(data);
}

Memory::Memory(const uint8_t* data, size_t bytes, std::shared_ptr<const void> owner)
    : data_(const_cast<uint8_t*>(data)), bytes_(bytes), owner_(std::move(owner)) {}

Memory::~Memory() {
  if (data_ && !owner_) munmap(data_, bytes_);
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
