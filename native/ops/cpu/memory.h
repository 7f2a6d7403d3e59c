// Zeroed, 64-byte aligned memory straight from the kernel, in huge pages where it can.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace lanyard::ops::cpu {

class Memory {
 public:
  Memory() = default;
  // Throws lanyard::Error out_of_memory. Pages are only taken when touched.
  explicit Memory(size_t bytes);
  // Somebody else's, who keeps it in place; not to be written.
  Memory(const uint8_t* data, size_t bytes, std::shared_ptr<const void> owner);
  ~Memory();
  Memory(Memory&& other) noexcept;
  Memory& operator=(Memory&& other) noexcept;

  uint8_t* data() const { return data_; }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }
  size_t bytes() const { return bytes_; }

 private:
  uint8_t* data_ = nullptr;
  size_t bytes_ = 0;
  std::shared_ptr<const void> owner_;
};

}  // namespace lanyard::ops::cpu
