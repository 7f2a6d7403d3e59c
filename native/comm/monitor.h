// The control channel of one rank: a thread that sends and expects heartbeats, spreads a failure to the other ranks
// and learns of theirs, and tells them when this rank leaves in order.
//
// Heartbeats tell a rank that is computing for long (it may) from one that is gone without a word.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "crypto.h"
#include "frame.h"
#include "group_state.h"
#include "handshake.h"

namespace lanyard::comm {

class Monitor {
 public:
  Monitor(std::shared_ptr<GroupState> state, uint32_t epoch, std::chrono::milliseconds silence_timeout);
  // Says goodbye (or spreads the failure) and ends the thread.
  ~Monitor();
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  // Takes over the control connection to a rank. From any thread.
  void add(int rank, Fd fd, const SessionKeys& keys);

 private:
  struct Link;

  void run() noexcept;
  void loop();
  void take_new_links();
  void queue(Link& link, Op op, Bytes payload);
  void flush(Link& link);
  void drain(Link& link);
  void on_frame(Link& link, Op op, Bytes payload);
  void tell_all(Op op, Bytes payload);
  void announce_failure();

  std::shared_ptr<GroupState> state_;
  const uint32_t epoch_;
  const std::chrono::milliseconds silence_;
  const std::chrono::milliseconds beat_;
  std::mutex mutex_;  // guards arriving_
  std::vector<std::unique_ptr<Link>> arriving_;
  std::vector<std::unique_ptr<Link>> links_;  // the thread's own
  std::thread thread_;
};

}  // namespace lanyard::comm
