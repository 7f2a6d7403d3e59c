// The Communicator over a full mesh of links, one to every other rank. The calling thread drives all of them itself.
#pragma once

#include <array>
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
  void start_all_reduce(float* data, size_t count, size_t whole) override;
  void progress() noexcept override;
  void finish_all_reduce() override;
  Overlap overlap() const noexcept override { return overlap_; }
  void gather(const void* send, size_t bytes, void* receive, int root) override;
  void broadcast(void* data, size_t bytes, int root) override;
  void broadcast_blob(std::vector<std::byte>& blob, int root) override;
  void abort(const std::string& reason) noexcept override;
  double measure(size_t elements, int rounds) override;
  CommStats stats() const override;

  // What every rank does between joining and use: ranks on one machine change from TCP to shared memory, then both
  // algorithms are timed and rank 0 chooses from where on two-shot is used, and whether it is worth while to compute
  // meanwhile. Ranks may come as late as `until`.
  void prepare(Clock::time_point until);

 private:
  // An all-reduce on its way. Those in flight have consecutive sequence numbers, and every connection serves them in order:
  // it goes on to the next when its message of the one before is through.
  struct Exchange {
    uint32_t sequence = 0;
    float* data = nullptr;
    size_t count = 0;
    bool two_shot = false;
    bool spread = false;   // two-shot: the whole result has been written to data
    size_t own = 0, own_count = 0;  // the values that this rank sums: all, or its slice
    size_t summed = 0;     // of these
    size_t shareable = 0;  // two-shot: bytes of this rank's sums that may be sent
    int last_arrival = -1;
    std::unique_ptr<uint8_t[]> memory;  // kept for later exchanges
    size_t memory_bytes = 0;
    uint8_t* partial = nullptr;   // own values on the wire
    uint8_t* result = nullptr;    // two-shot: all ranks' sums
    uint8_t* received = nullptr;  // [size] what the others sent for this rank to sum, `stride` apart
    size_t stride = 0;
  };

  struct Wait {
    Op op;
    bool idle = false;     // waiting for work: no deadline until its first byte
    bool counted = true;   // time spent belongs into stats
    Clock::time_point at_least{};  // no deadline before this
    IdleWork meanwhile{};
    Exchange* exchange = nullptr;  // for its end, whatever else is in flight
  };

  // Parts of prepare(), in mesh_prepare.cc.
  void share_memory(Clock::time_point until);
  void choose_algorithm();
  void choose_overlap();

  uint32_t begin(bool beside = false);  // beside: others may be in flight
  void throw_if_failed();
  uint8_t* scratch(size_t bytes);

  // All-reduces, in exchange.cc.
  void launch(float* data, size_t count, size_t whole);
  void land(const IdleWork& idle);
  bool send_next(DataLink& peer);
  bool receive_next(DataLink& peer);
  void send_part(DataLink& peer, const Exchange& exchange);
  void receive_part(DataLink& peer, const Exchange& exchange);
  size_t arrived(const Exchange& exchange) const;
  void advance(Exchange& exchange);
  void advance_all();
  bool in_flight(uint32_t sequence) const { return sequence_ - sequence < static_cast<uint32_t>(in_flight_); }
  Exchange& exchange(uint32_t sequence) { return exchanges_[sequence % kInFlight]; }
  uint32_t oldest() const { return sequence_ - static_cast<uint32_t>(in_flight_) + 1; }
  static bool sent(const DataLink& peer, const Wait& wait);
  static bool received(const DataLink& peer, const Wait& wait);

  DataLink& link(int peer) { return *links_[static_cast<size_t>(peer)]; }
  bool move(const Wait& wait, bool waiting);
  void finish(const Wait& wait);
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
  Overlap overlap_ = Overlap::never;
  uint32_t sequence_ = 0;
  size_t shareable_ = 0;  // bytes of a message's second phase that may be sent; exchanges have their own
  std::array<Exchange, kInFlight> exchanges_;
  int in_flight_ = 0;
  std::unique_ptr<uint8_t[]> scratch_;
  size_t scratch_bytes_ = 0;
  CommStats stats_;
};

}  // namespace lanyard::comm
