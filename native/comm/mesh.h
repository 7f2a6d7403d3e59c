// The Communicator over a full mesh of links, one to every other rank. The calling thread drives all of them itself.
#pragma once

#include <limits>
#include <memory>
#include <vector>

#include "communicator.h"
#include "group_state.h"
#include "monitor.h"
#include "sealed_link.h"

namespace lanyard::comm {

class MeshCommunicator final : public Communicator {
 public:
  // `links` has an entry for every rank, empty for the own one.
  MeshCommunicator(const GroupOptions& options, std::shared_ptr<GroupState> state, std::unique_ptr<Monitor> monitor,
                  std::vector<std::unique_ptr<SealedLink>> links);
  ~MeshCommunicator() override;

  int rank() const noexcept override { return rank_; }
  int size() const noexcept override { return size_; }
  void all_reduce_sum(float* data, size_t count, const IdleWork& idle) override;
  void gather(const void* send, size_t bytes, void* receive, int root) override;
  void broadcast(void* data, size_t bytes, int root) override;
  void broadcast_blob(std::vector<std::byte>& blob, int root) override;
  void abort(const std::string& reason) noexcept override;
  double measure(size_t elements, int rounds) override;
  CommStats stats() const override;

  // What every rank does between joining and use: ranks on one machine change from TCP to shared memory, then both
  // algorithms are timed and rank 0 chooses from where on two-shot is used. Ranks may come as late as `until`.
  void prepare(Clock::time_point until);

 private:
  struct Wait {
    Op op;
    bool idle = false;     // waiting for work: no deadline until its first byte
    bool counted = true;   // time spent belongs into stats
    Clock::time_point at_least{};  // no deadline before this
    IdleWork meanwhile{};
  };

  // Parts of prepare(), in mesh_prepare.cc.
  void share_memory(Clock::time_point until);
  void choose_algorithm();

  uint32_t begin();
  void throw_if_failed();
  void one_shot(float* data, size_t count, const IdleWork& idle);
  void two_shot(float* data, size_t count, const IdleWork& idle);
  uint8_t* scratch(size_t bytes);
  DataLink& link(int peer) { return *links_[static_cast<size_t>(peer)]; }
  template <typename Step>
  void drive(const Wait& wait, Step step);
  void finish(const Wait& wait);  // with nothing to do on the way
  void sleep_until(Clock::time_point deadline);
  void give_up_if_late(const Wait& wait, Clock::time_point now, Clock::time_point idle_since, Clock::time_point deadline);
  [[noreturn]] void fail(Failure failure, int rank, const std::string& message);
  [[noreturn]] void on_closed(int peer);
  [[noreturn]] void on_corrupt(int peer, Op op);

  static constexpr size_t kNever = std::numeric_limits<size_t>::max();

  const GroupOptions options_;
  const int rank_;
  const int size_;
  const std::chrono::microseconds spin_;
  std::shared_ptr<GroupState> state_;
  std::vector<std::unique_ptr<DataLink>> links_;
  std::vector<DataLink*> peers_;  // in the order they are served: rank+1, rank+2, …
  CommStats before_;              // what preparing cost
  std::unique_ptr<Monitor> monitor_;

  size_t two_shot_from_;  // bytes on the wire
  uint32_t sequence_ = 0;
  size_t shareable_ = 0;  // bytes of this rank's reduced slice that may be sent
  int last_arrival_ = -1;
  std::unique_ptr<uint8_t[]> scratch_;
  size_t scratch_bytes_ = 0;
  CommStats stats_;
};

}  // namespace lanyard::comm
