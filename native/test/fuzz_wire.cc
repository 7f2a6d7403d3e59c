// What another machine may send: handshakes, data frames, control frames; and what a neighbour may leave in shared memory.
// Half of the frames are sealed with the right key after their change, as only a rank that has gone mad could.
#include <sys/socket.h>

#include <array>
#include <memory>
#include <stdexcept>

#include "fuzz.h"
#include "monitor.h"
#include "sealed_link.h"
#include "shared_link.h"

using namespace lanyard::comm;
using fuzz::demand;
using fuzz::Random;

namespace {

constexpr uint32_t kEpoch = 4;

void socket_pair(Fd& a, Fd& b) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error("socketpair");
  a = Fd(ends[0]);
  b = Fd(ends[1]);
}

SessionKeys keys(uint8_t send, uint8_t receive) {
  SessionKeys made;
  made.send.key.fill(send);
  made.receive.key.fill(receive);
  return made;
}

template <size_t N>
std::array<uint8_t, N> cut(const std::vector<uint8_t>& bytes) {
  std::array<uint8_t, N> out{};
  std::memcpy(out.data(), bytes.data(), std::min(N, bytes.size()));
  return out;
}

// A hello, reply or proof that was changed never gets in.
void handshake(Random& random) {
  Identity zero;
  zero.key.fill(7);
  zero.size = 3;
  Identity one = zero;
  one.rank = 1;
  const Initiator initiator(one, 0, Channel::data);
  Responder responder(zero);
  std::vector<uint8_t> hello(initiator.hello().begin(), initiator.hello().end());
  const auto good_hello = hello;
  if (random() % 2 == 0) fuzz::mutate(hello, random);
  Claim claim;
  std::array<uint8_t, kReplyBytes> reply{};
  const auto sent = cut<kHelloBytes>(hello);
  const Verdict verdict = responder.on_hello(sent, claim, reply);
  const bool same = std::equal(sent.begin(), sent.end(), good_hello.begin());
  demand((verdict == Verdict::accepted) == same, "a changed hello was accepted, or a good one refused");
  if (verdict != Verdict::accepted) {
    const auto refusal = make_refusal(verdict);
    demand(parse_refusal(refusal) == verdict, "a refusal was misread");
    std::vector<uint8_t> noise(refusal.begin(), refusal.end());
    fuzz::mutate(noise, random);
    parse_refusal(cut<kRefusalBytes>(noise));
    return;
  }
  std::vector<uint8_t> answered(reply.begin(), reply.end());
  if (random() % 2 == 0) fuzz::mutate(answered, random);
  SessionKeys mine, theirs;
  std::array<uint8_t, kProofBytes> proof{};
  const auto received = cut<kReplyBytes>(answered);
  const bool same_reply = received == reply;
  demand((initiator.on_reply(received, mine, proof) == Verdict::accepted) == same_reply, "a changed reply was accepted, or a good one refused");
  if (!same_reply) return;
  std::vector<uint8_t> proven(proof.begin(), proof.end());
  if (random() % 2 == 0) fuzz::mutate(proven, random);
  const auto shown = cut<kProofBytes>(proven);
  demand(responder.on_proof(shown, theirs) == (shown == proof), "a changed proof was accepted, or a good one refused");
}

std::vector<uint8_t> sealed(Aead& seal, const std::vector<uint8_t>& header, const std::vector<uint8_t>& payload) {
  std::vector<uint8_t> frame(kHeaderBytes + payload.size() + kTagBytes);
  std::memcpy(frame.data(), header.data(), kHeaderBytes);
  seal.seal({frame.data(), kHeaderBytes}, payload, frame.data() + kHeaderBytes);
  return frame;
}

std::vector<uint8_t> header_of(Random& random, Op op, uint32_t sequence, size_t length, bool mutated) {
  std::vector<uint8_t> header(kHeaderBytes);
  store_header(header.data(), {kEpoch, sequence, op, 0, 0, static_cast<uint32_t>(length)});
  if (mutated) {
    fuzz::mutate(header, random);
    header.resize(kHeaderBytes);
  }
  return header;
}

// Messages of known and of chosen length; whatever comes, nothing is written beyond its memory.
void data_frames(Random& random) {
  Fd end, mouth;
  socket_pair(end, mouth);
  SealedLink link(1, std::move(end), keys(1, 2), kEpoch);
  const SessionKeys peer = keys(2, 1);
  Aead seal(Aead::Mode::seal, peer.send);
  std::vector<uint8_t> stream;
  for (uint32_t sequence = 1; sequence <= 3; ++sequence) {
    std::vector<uint8_t> payload(random() % 300, static_cast<uint8_t>(sequence));
    const auto header = header_of(random, Op::blob, sequence, payload.size(), random() % 3 == 0);
    if (random() % 4 == 0) payload.resize(random() % 400);
    const auto frame = sealed(seal, header, payload);
    stream.insert(stream.end(), frame.begin(), frame.end());
  }
  if (random() % 2 == 0) fuzz::mutate(stream, random);
  const auto any = std::make_unique<uint8_t[]>(kFrameBytes);
  const size_t expected = random() % 300;
  const auto exact = std::make_unique<uint8_t[]>(expected);
  uint32_t sequence = 1;
  const auto next = [&] {
    if (random() % 2 == 0) link.receive_any(Op::blob, sequence, any.get(), random() % 16);
    else link.receive(Op::blob, sequence, {exact.get(), expected});
    ++sequence;
  };
  next();
  for (size_t at = 0; at < stream.size();) {
    const size_t piece = std::min<size_t>(1 + random() % 500, stream.size() - at);
    write_some(mouth.get(), stream.data() + at, piece);
    at += piece;
    for (int turn = 0; turn < 3; ++turn) {
      const auto progress = link.pump_receive();
      if (progress == DataLink::Progress::corrupt || progress == DataLink::Progress::closed) return;
      if (link.received()) next();
    }
  }
}

void shared_memory(Random& random) {
  Fd a, b;
  socket_pair(a, b);
  SharedMemory::Offer offer;
  SharedMemory created = SharedMemory::create(offer), opened = SharedMemory::open(offer), third = SharedMemory::open(offer);
  if (!created || !opened || !third) throw std::runtime_error("no shared memory");
  SharedLink sender(1, std::move(a), std::move(created), true, kEpoch), receiver(0, std::move(b), std::move(opened), false, kEpoch);
  Lane& lane = third.from_creator();
  const size_t bytes = random() % (3 * Lane::kLaneBytes);
  const std::vector<uint8_t> from(bytes, 3);
  const auto to = std::make_unique<uint8_t[]>(bytes);
  sender.send(Op::gather, 1, {from.data(), bytes});
  receiver.receive(Op::gather, 1, {to.get(), bytes});
  for (int turn = 0; turn < 40 && !receiver.received(); ++turn) {
    if (random() % 6 == 0) {
      switch (random() % 4) {
        case 0: lane.written.store(random() % 2 == 0 ? fuzz::edge(random) : lane.written.load() + 64 * (random() % 9) - 256); break;
        case 1: lane.taken.store(random() % 2 == 0 ? fuzz::edge(random) : lane.taken.load() + random() % 9 - 4); break;
        case 2: lane.bytes[random() % Lane::kLaneBytes / 64 * 64 + random() % 16] ^= static_cast<uint8_t>(random()); break;
        default: lane.writer_sleeps.store(static_cast<uint32_t>(random())); lane.reader_sleeps.store(static_cast<uint32_t>(random()));
      }
    }
    const auto progress = random() % 2 == 0 ? sender.pump_send(0) : receiver.pump_receive();
    if (progress == DataLink::Progress::corrupt) return;
  }
}

// A monitor of its own, with a peer that says strange things; it must end as a failure or go on.
void control_frames(Random& random) {
  auto state = std::make_shared<GroupState>(0);
  Fd end, mouth;
  socket_pair(end, mouth);
  {
    Monitor monitor(state, kEpoch, std::chrono::milliseconds(200));
    const SessionKeys peer = keys(2, 1);
    Aead seal(Aead::Mode::seal, peer.send);
    std::vector<uint8_t> stream;
    static constexpr Op kOps[] = {Op::beat, Op::abort, Op::leave, Op::blob};
    for (int i = 0; i < 3; ++i) {
      std::vector<uint8_t> payload(random() % 3 == 0 ? random() % 700 : random() % 20);
      for (auto& byte : payload) byte = static_cast<uint8_t>(fuzz::edge(random));
      const auto frame = sealed(seal, header_of(random, kOps[random() % std::size(kOps)], 0, payload.size(), random() % 3 == 0), payload);
      stream.insert(stream.end(), frame.begin(), frame.end());
    }
    if (random() % 2 == 0) fuzz::mutate(stream, random);
    write_some(mouth.get(), stream.data(), stream.size());
    monitor.add(1, std::move(end), keys(1, 2));
    mouth.close();
    demand(state->wait_failed(std::chrono::milliseconds(2000)) || state->left(1), "the end of a connection went unnoticed");
  }
}

}  // namespace

int main(int argc, char** argv) {
  return fuzz::run(argc, argv, [](Random& random) {
    const uint64_t kind = random() % 16;
    if (kind < 5) handshake(random);
    else if (kind < 11) data_frames(random);
    else if (kind < 15) shared_memory(random);
    else control_frames(random);
  });
}
