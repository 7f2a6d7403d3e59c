#include "crypto.h"

#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

// OpenSSL's stable interface, declared here so that building needs no OpenSSL headers: the node executable exports
// these functions to the addon, programs without Node link libcrypto.
extern "C" {
struct evp_cipher_st;
struct evp_md_st;
struct evp_pkey_st;
struct evp_pkey_ctx_st;
struct engine_st;
evp_cipher_ctx_st* EVP_CIPHER_CTX_new(void);
void EVP_CIPHER_CTX_free(evp_cipher_ctx_st*);
int EVP_CIPHER_CTX_ctrl(evp_cipher_ctx_st*, int, int, void*);
const evp_cipher_st* EVP_aes_256_gcm(void);
int EVP_EncryptInit_ex(evp_cipher_ctx_st*, const evp_cipher_st*, engine_st*, const unsigned char*, const unsigned char*);
int EVP_EncryptUpdate(evp_cipher_ctx_st*, unsigned char*, int*, const unsigned char*, int);
int EVP_EncryptFinal_ex(evp_cipher_ctx_st*, unsigned char*, int*);
int EVP_DecryptInit_ex(evp_cipher_ctx_st*, const evp_cipher_st*, engine_st*, const unsigned char*, const unsigned char*);
int EVP_DecryptUpdate(evp_cipher_ctx_st*, unsigned char*, int*, const unsigned char*, int);
int EVP_DecryptFinal_ex(evp_cipher_ctx_st*, unsigned char*, int*);
const evp_md_st* EVP_sha256(void);
int EVP_Digest(const void*, size_t, unsigned char*, unsigned int*, const evp_md_st*, engine_st*);
unsigned char* HMAC(const evp_md_st*, const void*, int, const unsigned char*, size_t, unsigned char*, unsigned int*);
evp_pkey_st* EVP_PKEY_new_raw_private_key(int, engine_st*, const unsigned char*, size_t);
evp_pkey_st* EVP_PKEY_new_raw_public_key(int, engine_st*, const unsigned char*, size_t);
int EVP_PKEY_get_raw_public_key(const evp_pkey_st*, unsigned char*, size_t*);
void EVP_PKEY_free(evp_pkey_st*);
evp_pkey_ctx_st* EVP_PKEY_CTX_new(evp_pkey_st*, engine_st*);
void EVP_PKEY_CTX_free(evp_pkey_ctx_st*);
int EVP_PKEY_derive_init(evp_pkey_ctx_st*);
int EVP_PKEY_derive_set_peer(evp_pkey_ctx_st*, evp_pkey_st*);
int EVP_PKEY_derive(evp_pkey_ctx_st*, unsigned char*, size_t*);
int RAND_bytes(unsigned char*, int);
int CRYPTO_memcmp(const void*, const void*, size_t);
void OPENSSL_cleanse(void*, size_t);
}

namespace lanyard::comm {
namespace {

constexpr int kX25519 = 1034;       // EVP_PKEY_X25519
constexpr int kCtrlGetTag = 0x10;   // EVP_CTRL_AEAD_GET_TAG
constexpr int kCtrlSetTag = 0x11;   // EVP_CTRL_AEAD_SET_TAG

void require(bool done, const char* what) {
  if (!done) throw std::runtime_error(std::string("crypto library: ") + what + " failed");
}

struct PkeyFree {
  void operator()(evp_pkey_st* key) const noexcept { EVP_PKEY_free(key); }
};
struct PkeyContextFree {
  void operator()(evp_pkey_ctx_st* context) const noexcept { EVP_PKEY_CTX_free(context); }
};
using Pkey = std::unique_ptr<evp_pkey_st, PkeyFree>;
using PkeyContext = std::unique_ptr<evp_pkey_ctx_st, PkeyContextFree>;

}  // namespace

void random_bytes(std::span<uint8_t> out) { require(RAND_bytes(out.data(), static_cast<int>(out.size())) == 1, "RAND_bytes"); }

void wipe(std::span<uint8_t> secret) noexcept { OPENSSL_cleanse(secret.data(), secret.size()); }

bool equal_constant_time(Bytes a, Bytes b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Key hmac_sha256(Bytes key, Bytes message) {
  Key out;
  unsigned int length = 0;
  require(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), message.data(), message.size(), out.data(),
               &length) != nullptr && length == out.size(), "HMAC");
  return out;
}

Key sha256(Bytes message) {
  Key out;
  unsigned int length = 0;
  require(EVP_Digest(message.data(), message.size(), out.data(), &length, EVP_sha256(), nullptr) == 1, "SHA-256");
  return out;
}

Key hkdf_extract(Bytes salt, Bytes input) { return hmac_sha256(salt, input); }

Key hkdf_expand(const Key& pseudo_random_key, std::string_view label, Bytes context) {
  std::vector<uint8_t> info(label.begin(), label.end());
  info.insert(info.end(), context.begin(), context.end());
  info.push_back(1);
  return hmac_sha256(pseudo_random_key, info);
}

KeyExchange make_key_exchange() {
  KeyExchange exchange;
  random_bytes(exchange.secret);
  Pkey key(EVP_PKEY_new_raw_private_key(kX25519, nullptr, exchange.secret.data(), exchange.secret.size()));
  require(key != nullptr, "X25519");
  size_t length = exchange.shared_with_peer.size();
  require(EVP_PKEY_get_raw_public_key(key.get(), exchange.shared_with_peer.data(), &length) == 1, "X25519 public key");
  return exchange;
}

bool agree(const Key& secret, const Key& peer_public, Key& shared) {
  Pkey own(EVP_PKEY_new_raw_private_key(kX25519, nullptr, secret.data(), secret.size()));
  Pkey peer(EVP_PKEY_new_raw_public_key(kX25519, nullptr, peer_public.data(), peer_public.size()));
  if (!own || !peer) return false;
  PkeyContext context(EVP_PKEY_CTX_new(own.get(), nullptr));
  size_t length = shared.size();
  return context && EVP_PKEY_derive_init(context.get()) == 1 &&
         EVP_PKEY_derive_set_peer(context.get(), peer.get()) == 1 &&
         EVP_PKEY_derive(context.get(), shared.data(), &length) == 1 && length == shared.size();
}

void Aead::Free::operator()(evp_cipher_ctx_st* context) const noexcept { EVP_CIPHER_CTX_free(context); }

Aead::Aead(Mode mode, const DirectionKey& key) : context_(EVP_CIPHER_CTX_new()), prefix_(key.prefix) {
  require(context_ != nullptr, "cipher context");
  const auto init = mode == Mode::seal ? EVP_EncryptInit_ex : EVP_DecryptInit_ex;
  require(init(context_.get(), EVP_aes_256_gcm(), nullptr, key.key.data(), nullptr) == 1, "AES-256-GCM");
}

void Aead::next_nonce(std::array<uint8_t, 12>& nonce) noexcept {
  std::memcpy(nonce.data(), prefix_.data(), 4);
  for (int i = 0; i < 8; ++i) nonce[4 + i] = static_cast<uint8_t>(counter_ >> (8 * i));
  ++counter_;
}

void Aead::seal(Bytes header, Bytes text, uint8_t* out) {
  std::array<uint8_t, 12> nonce;
  next_nonce(nonce);
  evp_cipher_ctx_st* c = context_.get();
  int n = 0;
  bool done = EVP_EncryptInit_ex(c, nullptr, nullptr, nullptr, nonce.data()) == 1 &&
              EVP_EncryptUpdate(c, nullptr, &n, header.data(), static_cast<int>(header.size())) == 1;
  if (done && !text.empty()) done = EVP_EncryptUpdate(c, out, &n, text.data(), static_cast<int>(text.size())) == 1;
  uint8_t* const tag = out + text.size();
  done = done && EVP_EncryptFinal_ex(c, tag, &n) == 1 &&
         EVP_CIPHER_CTX_ctrl(c, kCtrlGetTag, static_cast<int>(kTagBytes), tag) == 1;
  require(done, "sealing a frame");
}

bool Aead::open(Bytes header, Bytes sealed, uint8_t* out) {
  if (sealed.size() < kTagBytes) return false;
  std::array<uint8_t, 12> nonce;
  next_nonce(nonce);
  const Bytes text = sealed.first(sealed.size() - kTagBytes);
  uint8_t tag[kTagBytes];
  std::memcpy(tag, sealed.data() + text.size(), kTagBytes);
  uint8_t nothing[kTagBytes];
  evp_cipher_ctx_st* c = context_.get();
  int n = 0;
  bool done = EVP_DecryptInit_ex(c, nullptr, nullptr, nullptr, nonce.data()) == 1 &&
              EVP_DecryptUpdate(c, nullptr, &n, header.data(), static_cast<int>(header.size())) == 1;
  if (done && !text.empty()) done = EVP_DecryptUpdate(c, out, &n, text.data(), static_cast<int>(text.size())) == 1;
  return done && EVP_CIPHER_CTX_ctrl(c, kCtrlSetTag, static_cast<int>(kTagBytes), tag) == 1 &&
         EVP_DecryptFinal_ex(c, nothing, &n) == 1;
}

}  // namespace lanyard::comm
