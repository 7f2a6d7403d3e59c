// What tests of single links share: both ends of a connection, and keys for them.
#pragma once

#include <sys/socket.h>

#include <stdexcept>
#include <utility>

#include "handshake.h"
#include "socket.h"

namespace check {

inline lanyard::comm::SessionKeys session_keys(uint8_t send, uint8_t receive) {
  lanyard::comm::SessionKeys made;
  made.send.key.fill(send);
  made.send.prefix.fill(send);
  made.receive.key.fill(receive);
  made.receive.prefix.fill(receive);
  return made;
}

inline std::pair<lanyard::comm::Fd, lanyard::comm::Fd> socket_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error("socketpair");
  return {lanyard::comm::Fd(ends[0]), lanyard::comm::Fd(ends[1])};
}

}  // namespace check
