#include "joining.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

namespace lanyard::comm {
namespace {

using std::chrono::milliseconds;

constexpr auto kHelloTime = milliseconds(5000);    // for a whole handshake, once connected
constexpr auto kFirstRetry = milliseconds(20);
constexpr auto kLongestRetry = milliseconds(500);
constexpr auto kDoubt = milliseconds(1000);        // between a rank's failed proof and giving up on it
constexpr size_t kMaxStrangers = 64;               // accepted connections that have not proven anything
constexpr int kBadHellosPerWindow = 20;
constexpr auto kBadWindow = milliseconds(1000);

std::string rank_name(int rank) { return "rank " + std::to_string(rank); }

// One connection on its way through the handshake.
struct Handshake {
  Fd fd;
  std::unique_ptr<Initiator> initiator;   // outgoing
  std::unique_ptr<Responder> responder;   // incoming
  int rank = -1;                          // outgoing: the target; incoming: the proven claim
  Channel channel = Channel::data;
  SocketAddress from;
  bool connecting = false;
  std::array<uint8_t, kReplyBytes> in{};
  size_t got = 0;
  size_t need = 0;
  Clock::time_point until;
};

// An outgoing connection that is wanted.
struct Target {
  int rank;
  Channel channel;
  bool running = false;
  Clock::time_point next_try{};
  milliseconds delay = kFirstRetry;
};

struct Suspect {
  int rank;
  Verdict verdict;
  Clock::time_point since;
  bool from_its_address;
};

class Joining {
 public:
  Joining(const GroupOptions& options, const Identity& identity, GroupState& state, Monitor& monitor, const Fd& listener,
          const std::vector<PeerAddress>& peers, Clock::time_point deadline)
      : options_(options), identity_(identity), state_(state), monitor_(monitor), listener_(listener), deadline_(deadline),
        links_(static_cast<size_t>(options.size)), control_(static_cast<size_t>(options.size)) {
    for (int rank = 0; rank < options.size; ++rank) {
      const auto& peer = peers[static_cast<size_t>(rank)];
      addresses_.push_back(rank == options.rank ? SocketAddress{} : parse_address(peer.host, peer.port));
      if (rank >= options.rank) continue;
      targets_.push_back({rank, Channel::control});
      targets_.push_back({rank, Channel::data});
    }
  }

  std::vector<std::unique_ptr<SealedLink>> run() {
    while (!complete()) {
      if (state_.failed()) leave();
      start_due_targets();
      wait();
      accept_all();
      serve_all();
      expire();
    }
    return std::move(links_);
  }

 private:
  bool present(int rank) const {
    const auto r = static_cast<size_t>(rank);
    return rank == options_.rank || (links_[r] != nullptr && control_[r]);
  }

  bool complete() const {
    for (int rank = 0; rank < options_.size; ++rank) {
      if (!present(rank)) return false;
    }
    return true;
  }

  bool taken(int rank, Channel channel) const {
    const auto r = static_cast<size_t>(rank);
    return channel == Channel::data ? links_[r] != nullptr : bool{control_[r]};
  }

  [[noreturn]] void fail(Failure failure, int rank, const std::string& message) {
    state_.fail(failure, rank, message);
    leave();
  }

  [[noreturn]] void leave() {
    state_.wait_announced(milliseconds(150));
    state_.raise();
  }

  void start_due_targets() {
    const auto now = Clock::now();
    for (auto& target : targets_) {
      if (target.running || taken(target.rank, target.channel) || now < target.next_try) continue;
      Handshake one;
      one.fd = start_connect(addresses_[static_cast<size_t>(target.rank)]);
      one.rank = target.rank;
      one.channel = target.channel;
      one.connecting = true;
      // A connection attempt into nowhere is given up in time to try again.
      one.until = now + kHelloTime;
      target.running = true;
      if (one.fd) running_.push_back(std::move(one));
      else retry_later(target);
    }
  }

  void retry_later(Target& target) {
    target.running = false;
    target.next_try = Clock::now() + target.delay;
    target.delay = std::min(target.delay * 2, milliseconds(kLongestRetry));
  }

  // This connection came to nothing; whoever is behind it may try again.
  void drop(Handshake& one) {
    one.fd.close();
    if (one.responder) return;
    for (auto& target : targets_) {
      if (target.rank == one.rank && target.channel == one.channel) retry_later(target);
    }
  }

  bool listening(Clock::time_point now) const { return now >= deaf_until_; }

  void wait() {
    const auto now = Clock::now();
    auto until = std::min(deadline_, now + milliseconds(100));
    std::vector<pollfd> polled{{state_.caller_wake(), POLLIN, 0}};
    polled.push_back({listening(now) ? listener_.get() : -1, POLLIN, 0});
    for (const auto& one : running_) {
      polled.push_back({one.fd.get(), static_cast<short>(one.connecting ? POLLOUT : POLLIN), 0});
      until = std::min(until, one.until);
    }
    for (const auto& target : targets_) {
      if (!target.running && !taken(target.rank, target.channel)) until = std::min(until, target.next_try);
    }
    const auto limit = std::chrono::ceil<milliseconds>(until - now).count();
    ::poll(polled.data(), polled.size(), static_cast<int>(std::max<int64_t>(limit, 0)));
    if ((polled[0].revents & POLLIN) != 0) state_.drain_caller_wake();
  }

  void accept_all() {
    while (listening(Clock::now())) {
      Handshake one;
      one.fd = accept_one(listener_.get(), one.from);
      if (!one.fd) return;
      one.responder = std::make_unique<Responder>(identity_);
      one.need = kHelloBytes;
      one.until = Clock::now() + kHelloTime;
      evict_if_crowded();
      running_.push_back(std::move(one));
    }
  }

  // Strangers who connect and say nothing must not keep the group's own ranks out.
  void evict_if_crowded() {
    const auto stranger = [](const Handshake& one) { return one.responder != nullptr && one.rank < 0; };
    if (static_cast<size_t>(std::count_if(running_.begin(), running_.end(), stranger)) < kMaxStrangers) return;
    running_.erase(std::find_if(running_.begin(), running_.end(), stranger));
  }

  void serve_all() {
    for (auto& one : running_) {
      if (one.connecting) finish_connect(one);
      while (one.fd && !one.connecting && read_more(one)) {
      }
    }
    std::erase_if(running_, [](const Handshake& one) { return !one.fd; });
  }

  void finish_connect(Handshake& one) {
    pollfd ready{one.fd.get(), POLLOUT, 0};
    if (::poll(&ready, 1, 0) <= 0) return;
    int error = 0;
    socklen_t length = sizeof error;
    ::getsockopt(one.fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) return drop(one);
    one.connecting = false;
    one.initiator = std::make_unique<Initiator>(identity_, one.rank, one.channel);
    one.need = kReplyBytes;
    tune_for(one);
    send_all(one, one.initiator->hello());
  }

  void tune_for(const Handshake& one) {
    // A rank that computes for long does not read: its data connection may stand still as long as an operation may.
    const bool data = one.channel == Channel::data;
    tune(one.fd.get(), data ? std::max(options_.op_timeout, options_.silence_timeout) : options_.silence_timeout,
         data ? 2 * options_.largest_message : 0);
  }

  // Handshake messages are far smaller than a fresh connection's buffer; one that does not fit is a broken one.
  void send_all(Handshake& one, Bytes bytes) {
    if (write_some(one.fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) drop(one);
  }

  // False when there is nothing more to read for now. Never reads past the handshake: frames may follow it.
  bool read_more(Handshake& one) {
    const ssize_t n = read_some(one.fd.get(), one.in.data() + one.got, one.need - one.got);
    if (n == 0) return false;
    if (n < 0) {
      drop(one);
      return false;
    }
    one.got += static_cast<size_t>(n);
    if (one.initiator && one.got >= kRefusalBytes) {
      const auto refusal = parse_refusal(std::span(one.in).first<kRefusalBytes>());
      if (refusal) on_refused(one, *refusal);
    }
    if (one.got < one.need) return true;
    if (one.initiator) on_reply(one);
    else if (one.rank < 0) on_hello(one);
    else on_proof(one);
    return bool{one.fd};
  }

  void on_refused(const Handshake& one, Verdict verdict) {
    fail(Failure::group_auth, one.rank,
         rank_name(one.rank) + " refused this rank: it says that " + rank_name(options_.rank) + " " + verdict_text(verdict));
  }

  void on_reply(Handshake& one) {
    SessionKeys keys;
    std::array<uint8_t, kProofBytes> proof;
    const Verdict verdict = one.initiator->on_reply(one.in, keys, proof);
    if (verdict != Verdict::accepted) {
      fail(Failure::group_auth, one.rank, rank_name(one.rank) + " " + verdict_text(verdict));
    }
    send_all(one, proof);
    if (one.fd) establish(one, keys);
  }

  void on_hello(Handshake& one) {
    Claim claim;
    std::array<uint8_t, kReplyBytes> reply;
    Verdict verdict = one.responder->on_hello(std::span(one.in).first<kHelloBytes>(), claim, reply);
    if (verdict == Verdict::accepted && claim.rank < options_.rank) verdict = Verdict::wrong_group;
    if (verdict != Verdict::accepted) return refuse(one, claim, verdict);
    one.rank = claim.rank;
    one.channel = claim.channel;
    one.got = 0;
    one.need = kProofBytes;
    tune_for(one);
    send_all(one, reply);
  }

  void on_proof(Handshake& one) {
    SessionKeys keys;
    if (!one.responder->on_proof(std::span(one.in).first<kProofBytes>(), keys)) {
      return refuse(one, {one.rank, one.channel}, Verdict::wrong_key);
    }
    if (taken(one.rank, one.channel)) return drop(one);
    establish(one, keys);
  }

  void establish(Handshake& one, const SessionKeys& keys) {
    const auto r = static_cast<size_t>(one.rank);
    if (one.channel == Channel::data) {
      links_[r] = std::make_unique<SealedLink>(one.rank, std::move(one.fd), keys, options_.epoch);
    } else {
      monitor_.add(one.rank, std::move(one.fd), keys);
      control_[r] = true;
    }
  }

  void refuse(Handshake& one, const Claim& claim, Verdict verdict) {
    const auto now = Clock::now();
    if (verdict != Verdict::malformed) send_all(one, make_refusal(verdict));
    // Let the refusal leave before the connection does.
    if (one.fd) ::shutdown(one.fd.get(), SHUT_WR);
    note_bad_hello(now);
    if (verdict != Verdict::malformed && claim.rank > options_.rank && claim.rank < options_.size && !present(claim.rank)) {
      const bool known = one.from.same_host(addresses_[static_cast<size_t>(claim.rank)]);
      if (!suspect_ || (known && !suspect_->from_its_address)) suspect_ = Suspect{claim.rank, verdict, now, known};
    }
    one.fd.close();
  }

  void note_bad_hello(Clock::time_point now) {
    if (now - window_start_ > kBadWindow) {
      window_start_ = now;
      bad_hellos_ = 0;
    }
    if (++bad_hellos_ >= kBadHellosPerWindow) deaf_until_ = window_start_ + kBadWindow;
  }

  void expire() {
    const auto now = Clock::now();
    for (auto& one : running_) {
      if (now < one.until) continue;
      if (one.responder && one.rank < 0) note_bad_hello(now);
      drop(one);
    }
    std::erase_if(running_, [](const Handshake& one) { return !one.fd; });
    if (suspect_ && present(suspect_->rank)) suspect_.reset();
    const bool late = now >= deadline_;
    // Only what comes from the rank's own address ends the waiting early: any machine can claim to be a rank.
    if (suspect_ && (late || (suspect_->from_its_address && now - suspect_->since > kDoubt))) {
      fail(Failure::group_auth, suspect_->rank, rank_name(suspect_->rank) + " " + verdict_text(suspect_->verdict));
    }
    if (late && !complete()) fail_late();
  }

  [[noreturn]] void fail_late() {
    int first = -1;
    std::string missing;
    for (int rank = 0; rank < options_.size; ++rank) {
      if (present(rank)) continue;
      if (first < 0) first = rank;
      else missing += ", ";
      missing += rank_name(rank);
    }
    fail(Failure::group_timeout, first, missing + " did not join the group in time");
  }

  const GroupOptions& options_;
  const Identity& identity_;
  GroupState& state_;
  Monitor& monitor_;
  const Fd& listener_;
  const Clock::time_point deadline_;
  std::vector<SocketAddress> addresses_;
  std::vector<Target> targets_;
  std::vector<Handshake> running_;
  std::vector<std::unique_ptr<SealedLink>> links_;
  std::vector<bool> control_;
  std::optional<Suspect> suspect_;
  int bad_hellos_ = 0;
  Clock::time_point window_start_{};
  Clock::time_point deaf_until_{};
};

}  // namespace

std::vector<std::unique_ptr<SealedLink>> join_group(const GroupOptions& options, const Identity& identity, GroupState& state,
                                                    Monitor& monitor, const Fd& listener, const std::vector<PeerAddress>& peers,
                                                    Clock::time_point deadline) {
  return Joining(options, identity, state, monitor, listener, peers, deadline).run();
}

}  // namespace lanyard::comm
