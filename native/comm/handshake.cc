#include "handshake.h"

#include <algorithm>
#include <cstring>

#include "frame.h"

namespace lanyard::comm {
namespace {

//   0  magic     8  version u16   10  channel   11  wire   12  size u16   14  rank u16   16  to_rank u16
//  18  algorithm   19  role: 0 initiator, 1 responder   20  epoch u32   24  nonce[32]   56  X25519 public[32]
//  88  MAC over the bytes before it
constexpr char kMagic[] = "LANYARDC";
constexpr char kRefusalMagic[] = "LANYARDX";
constexpr uint8_t kVersion = 2;  // 2: ranks say where they are before the first operation
constexpr size_t kMacOffset = 88;
enum Role : uint8_t { kInitiator = 0, kResponder = 1 };

void store_u16(uint8_t* to, int value) noexcept {
  to[0] = static_cast<uint8_t>(value);
  to[1] = static_cast<uint8_t>(value >> 8);
}
int load_u16(const uint8_t* from) noexcept { return from[0] | from[1] << 8; }

Key hello_mac(const Key& key, Bytes body) {
  const Key mac_key = hkdf_expand(key, "lanyard group hello", {});
  return hmac_sha256(mac_key, body);
}

std::array<uint8_t, kHelloBytes> make_hello(const Identity& id, int to_rank, Channel channel, Role role,
                                            const Key& exchange_public) {
  std::array<uint8_t, kHelloBytes> hello{};
  std::memcpy(hello.data(), kMagic, 8);
  store_u16(&hello[8], kVersion);
  hello[10] = static_cast<uint8_t>(channel);
  hello[11] = id.wire;
  store_u16(&hello[12], id.size);
  store_u16(&hello[14], id.rank);
  store_u16(&hello[16], to_rank);
  hello[18] = id.algorithm;
  hello[19] = role;
  store_u32(&hello[20], id.epoch);
  random_bytes(std::span(hello).subspan(24, 32));
  std::copy(exchange_public.begin(), exchange_public.end(), &hello[56]);
  const Key mac = hello_mac(id.key, Bytes(hello).first(kMacOffset));
  std::copy(mac.begin(), mac.end(), &hello[kMacOffset]);
  return hello;
}

// Everything but the sender's place in the group, which the caller knows how to judge.
Verdict check_hello(const Identity& id, std::span<const uint8_t, kHelloBytes> hello, Role role, Claim& claim) {
  if (std::memcmp(hello.data(), kMagic, 8) != 0) return Verdict::malformed;
  if (load_u16(&hello[8]) != kVersion) return Verdict::wrong_version;
  if (hello[10] > 1 || hello[19] != role) return Verdict::malformed;
  claim.rank = load_u16(&hello[14]);
  claim.channel = static_cast<Channel>(hello[10]);
  const Key mac = hello_mac(id.key, Bytes(hello).first(kMacOffset));
  if (!equal_constant_time(mac, Bytes(hello).subspan(kMacOffset, 32))) return Verdict::wrong_key;
  if (load_u32(&hello[20]) != id.epoch) return Verdict::wrong_epoch;
  if (load_u16(&hello[12]) != id.size || load_u16(&hello[16]) != id.rank || hello[11] != id.wire ||
      hello[18] != id.algorithm || claim.rank >= id.size || claim.rank == id.rank) {
    return Verdict::wrong_group;
  }
  return Verdict::accepted;
}

struct Derived {
  DirectionKey to_responder;
  DirectionKey to_initiator;
  Key initiator_proof;
  Key responder_proof;
};

Derived derive(const Key& key, const Key& shared, Bytes initiator_hello, Bytes responder_hello) {
  std::array<uint8_t, 2 * kHelloBytes> both;
  std::copy(initiator_hello.begin(), initiator_hello.end(), both.begin());
  std::copy(responder_hello.begin(), responder_hello.end(), both.begin() + kHelloBytes);
  const Key transcript = sha256(both);
  std::array<uint8_t, 64> input;
  std::copy(key.begin(), key.end(), input.begin());
  std::copy(shared.begin(), shared.end(), input.begin() + 32);
  static constexpr std::string_view kSalt = "lanyard group 1";
  Key secret = hkdf_extract({reinterpret_cast<const uint8_t*>(kSalt.data()), kSalt.size()}, input);
  const auto direction = [&](std::string_view key_label, std::string_view prefix_label) {
    DirectionKey out;
    out.key = hkdf_expand(secret, key_label, transcript);
    const Key prefix = hkdf_expand(secret, prefix_label, transcript);
    std::copy_n(prefix.begin(), out.prefix.size(), out.prefix.begin());
    return out;
  };
  Derived derived{direction("key to responder", "nonce to responder"),
                  direction("key to initiator", "nonce to initiator"),
                  hmac_sha256(hkdf_expand(secret, "initiator proof", transcript), transcript),
                  hmac_sha256(hkdf_expand(secret, "responder proof", transcript), transcript)};
  wipe(input);
  wipe(secret);
  return derived;
}

}  // namespace

const char* verdict_text(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::accepted: return "is accepted";
    case Verdict::malformed: return "did not answer as a member of a group does";
    case Verdict::wrong_version: return "runs another version of the group protocol";
    case Verdict::wrong_key: return "does not hold this deployment's key";
    case Verdict::wrong_epoch: return "belongs to another start of this deployment";
    case Verdict::wrong_group: return "was told another size, order or wire type for this group";
  }
  return "did not answer as a member of a group does";
}

SessionKeys::~SessionKeys() {
  wipe(send.key);
  wipe(receive.key);
}

Initiator::Initiator(const Identity& identity, int to_rank, Channel channel)
    : identity_(identity), to_rank_(to_rank), channel_(channel), exchange_(make_key_exchange()),
      hello_(make_hello(identity_, to_rank, channel, kInitiator, exchange_.shared_with_peer)) {}

Initiator::~Initiator() {
  wipe(identity_.key);
  wipe(exchange_.secret);
}

Verdict Initiator::on_reply(std::span<const uint8_t, kReplyBytes> reply, SessionKeys& keys,
                            std::array<uint8_t, kProofBytes>& proof) const {
  Claim claim;
  const auto hello = reply.first<kHelloBytes>();
  const Verdict verdict = check_hello(identity_, hello, kResponder, claim);
  if (verdict != Verdict::accepted) return verdict;
  if (claim.rank != to_rank_ || claim.channel != channel_) return Verdict::wrong_group;
  Key peer_public;
  std::copy_n(&hello[56], peer_public.size(), peer_public.begin());
  Key shared;
  if (!agree(exchange_.secret, peer_public, shared)) return Verdict::malformed;
  const Derived derived = derive(identity_.key, shared, hello_, hello);
  wipe(shared);
  if (!equal_constant_time(derived.responder_proof, reply.last<kProofBytes>())) return Verdict::wrong_key;
  keys.send = derived.to_responder;
  keys.receive = derived.to_initiator;
  proof = derived.initiator_proof;
  return Verdict::accepted;
}

Responder::Responder(const Identity& identity) : identity_(identity) {}

Responder::~Responder() {
  wipe(identity_.key);
  wipe(expected_proof_);
}

Verdict Responder::on_hello(std::span<const uint8_t, kHelloBytes> hello, Claim& claim,
                            std::array<uint8_t, kReplyBytes>& reply) {
  const Verdict verdict = check_hello(identity_, hello, kInitiator, claim);
  if (verdict != Verdict::accepted) return verdict;
  KeyExchange exchange = make_key_exchange();
  Key peer_public;
  std::copy_n(&hello[56], peer_public.size(), peer_public.begin());
  Key shared;
  const bool agreed = agree(exchange.secret, peer_public, shared);
  wipe(exchange.secret);
  if (!agreed) return Verdict::malformed;
  const auto own = make_hello(identity_, claim.rank, claim.channel, kResponder, exchange.shared_with_peer);
  const Derived derived = derive(identity_.key, shared, hello, own);
  wipe(shared);
  std::copy(own.begin(), own.end(), reply.begin());
  std::copy(derived.responder_proof.begin(), derived.responder_proof.end(), reply.begin() + kHelloBytes);
  expected_proof_ = derived.initiator_proof;
  keys_.send = derived.to_initiator;
  keys_.receive = derived.to_responder;
  return Verdict::accepted;
}

bool Responder::on_proof(std::span<const uint8_t, kProofBytes> proof, SessionKeys& keys) const {
  if (!equal_constant_time(expected_proof_, proof)) return false;
  keys = keys_;
  return true;
}

std::array<uint8_t, kRefusalBytes> make_refusal(Verdict verdict) {
  std::array<uint8_t, kRefusalBytes> refusal{};
  std::memcpy(refusal.data(), kRefusalMagic, 8);
  refusal[8] = static_cast<uint8_t>(verdict);
  return refusal;
}

std::optional<Verdict> parse_refusal(std::span<const uint8_t, kRefusalBytes> bytes) noexcept {
  if (std::memcmp(bytes.data(), kRefusalMagic, 8) != 0) return std::nullopt;
  const uint8_t verdict = bytes[8];
  if (verdict == 0 || verdict > static_cast<uint8_t>(Verdict::wrong_group)) return Verdict::malformed;
  return static_cast<Verdict>(verdict);
}

}  // namespace lanyard::comm
