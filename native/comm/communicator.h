// The collectives that ranks of one deployment use between themselves.
//
// A Communicator belongs to one thread: that thread calls the collectives, every rank the same ones in the same
// order. abort() alone may be called from any thread. Every failure is a CommError; after one, the group is over and
// each further call throws the same failure again.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace lanyard::comm {

enum class Failure {
  group_timeout,  // a rank did not join, or was in the group but did not reach the operation in time
  group_auth,     // a rank has another key, epoch or idea of the group
  rank_lost,      // a rank's connection ended or it fell silent
  aborted,        // abort() was called somewhere, or a rank left in order while it was still needed
  comm_corrupt,   // a frame was changed, repeated or out of order on its way, or ranks disagree on the operation
};

// The failure's name as it crosses the engine binding: 'group_timeout' | 'group_auth' | 'rank_lost' | …
const char* failure_name(Failure failure) noexcept;

class CommError : public std::runtime_error {
 public:
  CommError(Failure failure, int rank, const std::string& message)
      : std::runtime_error(message), failure_(failure), rank_(rank) {}
  Failure failure() const noexcept { return failure_; }
  const char* code() const noexcept { return failure_name(failure_); }
  int rank() const noexcept { return rank_; }  // the rank at fault, -1 when none can be named

 private:
  Failure failure_;
  int rank_;
};

struct CommStats {
  uint64_t operations = 0;      // collectives begun
  uint64_t bytes_sent = 0;      // on the wire or through shared memory, frames' headers and tags included
  uint64_t bytes_received = 0;
  double seconds = 0;           // inside collectives that have a deadline (waiting for work is not counted)
  std::vector<uint64_t> last;   // [size] how often this rank's part of an all-reduce was the last to arrive
};

// Small pieces of the caller's own work for the time in which an operation waits and has nothing to move. `step` does one
// piece of at most about a microsecond and says whether there is more; null: nothing to do. It must not throw.
struct IdleWork {
  bool (*step)(void* context) = nullptr;
  void* context = nullptr;
};

// Whether collectives and computing take place at once. As an option, `automatic` is where any two ranks are connected by TCP:
// through shared memory an exchange is work of the processor, of which nothing can be hidden.
enum class Overlap : uint8_t { automatic, never, always };

class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const noexcept = 0;
  virtual int size() const noexcept = 0;

  // data[count] becomes the sum of all ranks' data, the same bits on every rank: partials are rounded to the wire type
  // and added in f32 in rank order.
  virtual void all_reduce_sum(float* data, size_t count, const IdleWork& idle = {}) = 0;

  // The same in two steps, between which the caller computes: start_all_reduce() returns while the exchange is on its way and
  // finish_all_reduce() waits for the oldest that was started. Up to kInFlight at a time, nothing else in between. `data`
  // belongs to the exchange until its end. `whole` >= count: these values are a part of so many, and come out as if all of
  // them were reduced at once, where the part begins at a multiple of kPartValues of them.
  //
  // progress() moves what can be moved, from the communicator's own thread; without it only what fits the system's buffers
  // moves while the caller computes. It never throws: a failure shows in the next call that does.
  static constexpr int kInFlight = 2;
  static constexpr size_t kPartValues = 64;
  virtual void start_all_reduce(float* data, size_t count, size_t /*whole*/) { all_reduce_sum(data, count); }
  virtual void progress() noexcept {}
  virtual void finish_all_reduce() {}
  // Whether to: not at all, where messages are large, or (for tests and measuring) wherever it can be. The same on all ranks.
  virtual Overlap overlap() const noexcept { return Overlap::never; }

  // Root's receive[size * bytes] gets every rank's send[bytes] in rank order. `receive` is ignored on other ranks.
  virtual void gather(const void* send, size_t bytes, void* receive, int root) = 0;

  // data[bytes] on every rank becomes root's. `bytes` is the same on all ranks.
  virtual void broadcast(void* data, size_t bytes, int root) = 0;

  // Like broadcast, for a length only root knows. On the other ranks this is where they wait for work: it has no
  // deadline, costs next to nothing while idle, and still notices a lost rank at once.
  virtual void broadcast_blob(std::vector<std::byte>& blob, int root) = 0;

  // Ends the group on all ranks: their running and later calls throw `aborted` with this reason. From any thread.
  virtual void abort(const std::string& reason) noexcept = 0;

  // Median time in microseconds of `rounds` all-reduces of `elements`. A collective: every rank calls it.
  virtual double measure(size_t elements, int rounds) = 0;

  // From this communicator's own thread.
  virtual CommStats stats() const = 0;
};

// A group of one: every operation is the identity.
std::unique_ptr<Communicator> make_single();

// What values are on the wire. int8: blocks of 64 with a scale, 1.06 bytes per value; sums of 64 values are then known to
// about a 250th of the largest of them.
enum class Wire : uint8_t { bf16 = 0, f32 = 1, int8 = 2 };

const char* wire_name(Wire wire) noexcept;
std::optional<Wire> wire_named(std::string_view name) noexcept;

enum class Algorithm : uint8_t { measured, one_shot, two_shot };

// What carries the data of a pair of ranks. `automatic`: memory that both map where they are processes of one user on one
// machine, TCP otherwise; the ranks find out when they join.
enum class Transport : uint8_t { automatic, tcp };

struct GroupOptions {
  int rank = 0;
  int size = 1;
  std::array<uint8_t, 32> key{};  // the deployment's secret, the same on every rank
  uint32_t epoch = 0;             // grows with every restart of the group
  Wire wire = Wire::bf16;

  // How long an operation waits for ranks that are alive but not there yet (they may be computing a long prompt).
  std::chrono::milliseconds op_timeout{30000};
  // A rank from which nothing at all came for this long is lost. Ranks send heartbeats at a sixth of it.
  std::chrono::milliseconds silence_timeout{1500};
  // Busy-wait before sleeping in poll(). -1: 100 µs if this process may use two cores or more, otherwise none. Set 0
  // when more ranks run on this machine than it has cores to spare.
  int spin_micros = -1;
  // Largest payload expected, to size socket buffers; 0 leaves them to the kernel's own tuning.
  size_t largest_message = 0;
  // broadcast_blob refuses a longer announcement as corrupt.
  size_t max_blob = size_t{256} << 20;
  // `measured` times both at connect when size > 2 and agrees on the crossover; the others force one (tests).
  Algorithm algorithm = Algorithm::measured;
  // What rank 0 says counts, and the environment variable LANYARD_LANES=0|1 of its process overrides it (for measuring).
  Overlap overlap = Overlap::automatic;
  // A pair shares memory if both its ranks say `automatic`.
  Transport transport = Transport::automatic;
};

struct PeerAddress {
  std::string host;  // numeric IPv4 or IPv6 (with %scope where needed)
  uint16_t port = 0;
};

// One rank's way into a group: listen on TCP, tell the others the port, connect.
class TcpGroup {
 public:
  // Listens on a numeric address at an ephemeral port. Throws std::invalid_argument for impossible options and
  // std::system_error if the address cannot be listened on.
  TcpGroup(const std::string& bind_address, const GroupOptions& options);
  ~TcpGroup();
  TcpGroup(const TcpGroup&) = delete;
  TcpGroup& operator=(const TcpGroup&) = delete;

  uint16_t port() const noexcept;

  // Joins the group; `peers` holds every rank's address in rank order (the own entry is not used). Returns when this
  // rank is connected to all others and the algorithm is agreed; the listening socket is closed then. Once only.
  std::unique_ptr<Communicator> connect(const std::vector<PeerAddress>& peers, std::chrono::milliseconds timeout);

  // Makes a running or later connect() throw `aborted`; once connected it aborts the group. From any thread.
  void cancel() noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lanyard::comm
