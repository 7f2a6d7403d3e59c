// File descriptors with a life, and the few socket calls the group needs.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

namespace lanyard::comm {

using Clock = std::chrono::steady_clock;

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      close();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Fd() { close(); }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  void close() noexcept {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  bool same_host(const SocketAddress& other) const noexcept;
};

// `host` must be numeric; throws std::invalid_argument otherwise.
SocketAddress parse_address(const std::string& host, uint16_t port);

// Throws std::system_error.
Fd listen_on(const SocketAddress& address, uint16_t& port);

// A non-blocking connect in progress; an empty Fd when it failed at once.
Fd start_connect(const SocketAddress& address);

// An accepted non-blocking connection; an empty Fd when there is none.
Fd accept_one(int listener, SocketAddress& from);

// No coalescing, no delayed acknowledgement; a connection whose sent bytes stay unacknowledged for `user_timeout` ends.
// buffer_bytes 0 leaves the kernel's own tuning of buffers on.
void tune(int fd, std::chrono::milliseconds user_timeout, size_t buffer_bytes) noexcept;

void quick_ack(int fd) noexcept;

// Non-blocking read and write: > 0 bytes moved, 0 would block, -1 the other side closed or the connection broke.
ssize_t read_some(int fd, void* to, size_t bytes) noexcept;
ssize_t write_some(int fd, const void* from, size_t bytes) noexcept;

}  // namespace lanyard::comm
