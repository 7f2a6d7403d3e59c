// How two ranks prove to each other that they hold the deployment's key and agree on fresh keys for one connection.
//
//   initiator → responder   hello, its MAC
//   responder → initiator   hello, its MAC, proof over both hellos          (or a refusal)
//   initiator → responder   proof over both hellos
//
// The hello's MAC is made with the deployment's key alone, so a stranger costs the responder one HMAC. The proofs and
// the frames' keys come from HKDF-SHA256 over the deployment's key and an ephemeral X25519 exchange. No sockets here.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>

#include "crypto.h"

namespace lanyard::comm {

enum class Channel : uint8_t { data = 0, control = 1 };

constexpr size_t kHelloBytes = 120;
constexpr size_t kProofBytes = 32;
constexpr size_t kReplyBytes = kHelloBytes + kProofBytes;
constexpr size_t kRefusalBytes = 16;

// What every rank must agree on, and who this one is.
struct Identity {
  Key key{};
  uint32_t epoch = 0;
  int rank = 0;
  int size = 1;
  uint8_t wire = 0;
  uint8_t algorithm = 0;
};

enum class Verdict : uint8_t {
  accepted = 0,
  malformed = 1,      // not one of our hellos
  wrong_version = 2,
  wrong_key = 3,
  wrong_epoch = 4,
  wrong_group = 5,    // other size, wire type or algorithm, or meant for another rank
};
// Ends the sentence "rank 2 …".
const char* verdict_text(Verdict verdict) noexcept;

struct SessionKeys {
  DirectionKey send;
  DirectionKey receive;
  ~SessionKeys();
};

struct Claim {
  int rank = -1;
  Channel channel = Channel::data;
};

class Initiator {
 public:
  Initiator(const Identity& identity, int to_rank, Channel channel);
  ~Initiator();
  Initiator(const Initiator&) = delete;
  Initiator& operator=(const Initiator&) = delete;

  const std::array<uint8_t, kHelloBytes>& hello() const { return hello_; }
  // On `accepted` keys and the proof to send are filled in.
  Verdict on_reply(std::span<const uint8_t, kReplyBytes> reply, SessionKeys& keys,
                   std::array<uint8_t, kProofBytes>& proof) const;

 private:
  Identity identity_;
  int to_rank_;
  Channel channel_;
  KeyExchange exchange_;
  std::array<uint8_t, kHelloBytes> hello_;
};

class Responder {
 public:
  explicit Responder(const Identity& identity);
  ~Responder();
  Responder(const Responder&) = delete;
  Responder& operator=(const Responder&) = delete;

  // `claim` is filled in whenever the hello has the right shape, proven or not.
  Verdict on_hello(std::span<const uint8_t, kHelloBytes> hello, Claim& claim,
                   std::array<uint8_t, kReplyBytes>& reply);
  bool on_proof(std::span<const uint8_t, kProofBytes> proof, SessionKeys& keys) const;

 private:
  Identity identity_;
  Key expected_proof_{};
  SessionKeys keys_;
};

std::array<uint8_t, kRefusalBytes> make_refusal(Verdict verdict);
// Empty when these bytes are no refusal.
std::optional<Verdict> parse_refusal(std::span<const uint8_t, kRefusalBytes> bytes) noexcept;

}  // namespace lanyard::comm
