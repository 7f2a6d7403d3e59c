// The cryptography the group needs, on OpenSSL's EVP functions: AES-256-GCM, X25519, HKDF-SHA256.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

struct evp_cipher_ctx_st;

namespace lanyard::comm {

using Bytes = std::span<const uint8_t>;
using Key = std::array<uint8_t, 32>;

constexpr size_t kTagBytes = 16;

// Fails only when the operating system has no randomness to give; throws std::runtime_error then.
void random_bytes(std::span<uint8_t> out);

// Overwrites secrets in a way the compiler keeps.
void wipe(std::span<uint8_t> secret) noexcept;

bool equal_constant_time(Bytes a, Bytes b) noexcept;

Key hmac_sha256(Bytes key, Bytes message);
Key sha256(Bytes message);

// RFC 5869 with an output of at most 32 bytes, which is one HMAC block.
Key hkdf_extract(Bytes salt, Bytes input);
Key hkdf_expand(const Key& pseudo_random_key, std::string_view label, Bytes context);

struct KeyExchange {
  Key secret{};
  Key shared_with_peer{};  // the public half
};
KeyExchange make_key_exchange();
// False when the peer's public key is not acceptable (for example a point of small order).
bool agree(const Key& secret, const Key& peer_public, Key& shared);

// What one direction of one connection is sealed with.
struct DirectionKey {
  Key key{};
  std::array<uint8_t, 4> prefix{};
};

// AES-256-GCM for one direction. The nonce is the direction's prefix and a counter that both sides keep and that never
// travels, so a frame that is repeated, dropped or moved fails its tag.
class Aead {
 public:
  enum class Mode { seal, open };
  Aead(Mode mode, const DirectionKey& key);

  // out[text.size() + kTagBytes]; may not overlap text.
  void seal(Bytes header, Bytes text, uint8_t* out);
  // sealed is text ‖ tag. False when the tag does not fit; `out` is meaningless then.
  bool open(Bytes header, Bytes sealed, uint8_t* out);

 private:
  void next_nonce(std::array<uint8_t, 12>& nonce) noexcept;

  struct Free {
    void operator()(evp_cipher_ctx_st* context) const noexcept;
  };
  std::unique_ptr<evp_cipher_ctx_st, Free> context_;
  std::array<uint8_t, 4> prefix_;
  uint64_t counter_ = 0;
};

}  // namespace lanyard::comm
