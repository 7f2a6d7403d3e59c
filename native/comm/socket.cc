#include "socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <system_error>

namespace lanyard::comm {
namespace {

void set(int fd, int level, int option, int value) noexcept { ::setsockopt(fd, level, option, &value, sizeof value); }

size_t kernel_limit(const char* path) {
  size_t limit = 0;
  std::ifstream(path) >> limit;
  return limit;
}

// Asking for a size switches the kernel's tuning off, so ask only where the limit lets us have what we need.
void grow_buffer(int fd, int option, size_t bytes, const char* limit_path) noexcept {
  try {
    if (bytes > 0 && kernel_limit(limit_path) >= bytes) set(fd, SOL_SOCKET, option, static_cast<int>(bytes));
  } catch (const std::exception&) {
    return;  // the kernel's own tuning stays on
  }
}

}  // namespace

bool SocketAddress::same_host(const SocketAddress& other) const noexcept {
  if (storage.ss_family != other.storage.ss_family) return false;
  if (storage.ss_family == AF_INET) {
    const auto& a = reinterpret_cast<const sockaddr_in&>(storage);
    const auto& b = reinterpret_cast<const sockaddr_in&>(other.storage);
    return a.sin_addr.s_addr == b.sin_addr.s_addr;
  }
  const auto& a = reinterpret_cast<const sockaddr_in6&>(storage);
  const auto& b = reinterpret_cast<const sockaddr_in6&>(other.storage);
  return std::memcmp(&a.sin6_addr, &b.sin6_addr, sizeof a.sin6_addr) == 0;
}

SocketAddress parse_address(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0 || found == nullptr) {
    throw std::invalid_argument("'" + host + "' is not a numeric IP address");
  }
  SocketAddress address;
  std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
  address.length = found->ai_addrlen;
  ::freeaddrinfo(found);
  return address;
}

Fd listen_on(const SocketAddress& address, uint16_t& port) {
  const auto fail = [] { throw std::system_error(errno, std::generic_category(), "listening for the group's ranks"); };
  Fd fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) fail();
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0) fail();
  if (::listen(fd.get(), 256) != 0) fail();
  SocketAddress bound;
  bound.length = sizeof bound.storage;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&bound.storage), &bound.length) != 0) fail();
  port = ntohs(bound.storage.ss_family == AF_INET ? reinterpret_cast<sockaddr_in&>(bound.storage).sin_port
                                                  : reinterpret_cast<sockaddr_in6&>(bound.storage).sin6_port);
  return fd;
}

Fd start_connect(const SocketAddress& address) {
  Fd fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fd;
  const int done = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length);
  if (done != 0 && errno != EINPROGRESS) return Fd();
  return fd;
}

Fd accept_one(int listener, SocketAddress& from) {
  from.length = sizeof from.storage;
  return Fd(::accept4(listener, reinterpret_cast<sockaddr*>(&from.storage), &from.length, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

void tune(int fd, std::chrono::milliseconds user_timeout, size_t buffer_bytes) noexcept {
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  quick_ack(fd);
  set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(user_timeout.count()));
  grow_buffer(fd, SO_SNDBUF, buffer_bytes, "/proc/sys/net/core/wmem_max");
  grow_buffer(fd, SO_RCVBUF, buffer_bytes, "/proc/sys/net/core/rmem_max");
}

void quick_ack(int fd) noexcept { set(fd, IPPROTO_TCP, TCP_QUICKACK, 1); }

ssize_t read_some(int fd, void* to, size_t bytes) noexcept {
  for (;;) {
    const ssize_t n = ::recv(fd, to, bytes, MSG_DONTWAIT);
    if (n > 0) return n;
    if (n == 0) return -1;
    if (errno == EINTR) continue;
    return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
  }
}

ssize_t write_some(int fd, const void* from, size_t bytes) noexcept {
  for (;;) {
    const ssize_t n = ::send(fd, from, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0) return n;
    if (errno == EINTR) continue;
    return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
  }
}

}  // namespace lanyard::comm
