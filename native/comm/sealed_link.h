// The data connection to a rank over TCP: every frame sealed and opened with the connection's keys.
#pragma once

#include <memory>

#include "crypto.h"
#include "data_link.h"
#include "handshake.h"
#include "socket.h"

namespace lanyard::comm {

class SealedLink final : public DataLink {
 public:
  SealedLink(int rank, Fd fd, const SessionKeys& keys, uint32_t epoch);

  bool waits() const noexcept override { return true; }
  Progress pump_send(size_t shareable) override;
  Progress pump_receive() override;
  bool inside_frame() const noexcept override { return in_begin_ != in_end_; }

  int fd() const noexcept override { return fd_.get(); }
  short before_sleep(bool& ready) noexcept override;
  void after_sleep(short) noexcept override {}

  // Gives the connection up for another use; between two messages.
  Fd release() noexcept { return std::move(fd_); }

 private:
  bool seal_next(size_t shareable);
  Progress open_buffered();

  Fd fd_;
  Aead seal_;
  Aead open_;

  std::unique_ptr<uint8_t[]> out_;
  size_t out_begin_ = 0;
  size_t out_end_ = 0;

  std::unique_ptr<uint8_t[]> in_;
  size_t in_begin_ = 0;
  size_t in_end_ = 0;
};

}  // namespace lanyard::comm
