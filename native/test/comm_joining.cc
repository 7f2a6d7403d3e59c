// Forming the group: wrong keys, wrong epochs, missing ranks, strangers at the door.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>

#include "comm_check.h"
#include "handshake.h"

using namespace check;

namespace {

constexpr int kOdd = 1;  // the rank that is wrong

std::vector<Outcome> with_odd_rank(int size, const std::function<void(GroupOptions&)>& make_odd) {
  return in_threads(listen_all(size, test_options(), [&](GroupOptions& o) {
    if (o.rank == kOdd) make_odd(o);
  }), [](Communicator&) {});
}

void odd_rank_is_named(const std::function<void(GroupOptions&)>& make_odd, const char* words) {
  for (const int size : {2, 3}) {
    const auto started = Clock::now();
    const auto outcomes = with_odd_rank(size, make_odd);
    CHECK(Clock::now() - started < milliseconds(5000));
    for (int rank = 0; rank < size; ++rank) {
      const auto& outcome = outcomes[static_cast<size_t>(rank)];
      if (rank != kOdd) expect(outcome, Failure::group_auth, kOdd);
      else CHECK(outcome.comm_error && outcome.failure == Failure::group_auth && outcome.rank != kOdd, "%s", outcome.message);
      CHECK(std::string(outcome.message).find(words) != std::string::npos, "%s", outcome.message);
    }
  }
}

void missing_rank() {
  Listening all = listen_all(3, test_options());
  all.groups[2].reset();  // its port is closed: nobody will ever answer there
  Listening two;
  two.peers = all.peers;
  two.groups.push_back(std::move(all.groups[0]));
  two.groups.push_back(std::move(all.groups[1]));
  for (const auto& outcome : in_threads(std::move(two), [](Communicator&) {}, milliseconds(700))) {
    expect(outcome, Failure::group_timeout, 2);
  }
}

void cancelled() {
  Listening all = listen_all(2, test_options());
  std::thread other([&] { all.groups[0]->cancel(); });
  const Outcome outcome = outcome_of([&] { all.groups[0]->connect(all.peers, milliseconds(20000)); });
  other.join();
  expect(outcome, Failure::aborted, 0);
}

int dial(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0) return fd;
  ::close(fd);
  return -1;
}

// Strangers connect before and while the group forms: some say nothing, some talk nonsense, some nearly speak our
// protocol, some send megabytes.
void strangers() {
  Listening all = listen_all(3, test_options());
  const uint16_t port = all.peers[0].port;
  std::mt19937 random(11);
  std::vector<int> open;
  for (int i = 0; i < 150; ++i) {
    const int fd = dial(port);
    if (fd < 0) continue;
    open.push_back(fd);
    std::vector<uint8_t> bytes(i % 3 == 0 ? 0 : i % 3 == 1 ? 150 : 100000);
    for (auto& byte : bytes) byte = static_cast<uint8_t>(random());
    if (i % 3 == 1) std::memcpy(bytes.data(), "LANYARDC\2\0", 10);
    [[maybe_unused]] const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  CHECK(open.size() > 100);
  const auto outcomes = in_threads(std::move(all), [&](Communicator& group) {
    float value = 1;
    group.all_reduce_sum(&value, 1);
    if (value != 3) throw std::runtime_error("wrong sum");
    group.all_reduce_sum(&value, 1);
    const int late = group.rank() == 0 ? dial(port) : -1;
    if (late >= 0) throw std::runtime_error("the listening socket is still open");
  });
  all_well(outcomes);
  for (const int fd : open) ::close(fd);
}

// A hello recorded from a real rank proves the key but not its possession now: its sender never gets in.
void recorded_hello() {
  Listening all = listen_all(2, test_options());
  Identity identity;
  identity.key.fill(0x5a);
  identity.epoch = 3;
  identity.rank = 1;
  identity.size = 2;
  const Initiator recorded(identity, 0, Channel::data);
  const int fd = dial(all.peers[0].port);
  CHECK(::send(fd, recorded.hello().data(), kHelloBytes, MSG_NOSIGNAL) == static_cast<ssize_t>(kHelloBytes));
  std::array<uint8_t, kProofBytes> nonsense{};
  CHECK(::send(fd, nonsense.data(), nonsense.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(nonsense.size()));
  all_well(in_threads(std::move(all), [](Communicator& group) {
    float value = 1;
    group.all_reduce_sum(&value, 1);
    if (value != 2) throw std::runtime_error("wrong sum");
  }));
  ::close(fd);
}

void no_group_behind_the_port() {
  // Something else answers where rank 0 should be.
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof at;
  CHECK(::bind(listener, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0 && ::listen(listener, 8) == 0 &&
        ::getsockname(listener, reinterpret_cast<sockaddr*>(&at), &length) == 0);
  std::thread other([&] {
    const int fd = ::accept(listener, nullptr, nullptr);
    const std::string words = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n" + std::string(100, 'x');
    [[maybe_unused]] const ssize_t sent = ::send(fd, words.data(), words.size(), MSG_NOSIGNAL);
    char byte;
    while (::recv(fd, &byte, 1, 0) > 0) {
    }
    ::close(fd);
  });
  GroupOptions options = test_options();
  options.rank = 1;
  options.size = 2;
  TcpGroup group("127.0.0.1", options);
  const Outcome outcome = outcome_of([&] { group.connect({{"127.0.0.1", ntohs(at.sin_port)}, {"127.0.0.1", group.port()}}, milliseconds(8000)); });
  expect(outcome, Failure::group_auth, 0);
  other.join();
  ::close(listener);
}

template <typename Error>
bool throws(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error&) {
    return true;
  } catch (const std::exception&) {
    return false;
  }
  return false;
}

void impossible_options() {
  const auto group = [](int rank, int size, const char* address) {
    GroupOptions options = test_options();
    options.rank = rank;
    options.size = size;
    TcpGroup made(address, options);
  };
  CHECK(throws<std::invalid_argument>([&] { group(2, 2, "127.0.0.1"); }));
  CHECK(throws<std::invalid_argument>([&] { group(0, 0, "127.0.0.1"); }));
  CHECK(throws<std::invalid_argument>([&] { group(0, 1000, "127.0.0.1"); }));
  CHECK(throws<std::invalid_argument>([&] { group(0, 2, "localhost"); }));
  CHECK(throws<std::system_error>([&] { group(0, 2, "192.0.2.77"); }));  // an address this machine does not have
  Listening all = listen_all(2, test_options());
  CHECK(throws<std::invalid_argument>([&] { all.groups[0]->connect({{"127.0.0.1", 1}}, milliseconds(10)); }));
}

void over_ipv6() {
  const int probe = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in6 at{};
  at.sin6_family = AF_INET6;
  at.sin6_addr = in6addr_loopback;
  const bool usable = probe >= 0 && ::bind(probe, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0;
  if (probe >= 0) ::close(probe);
  if (!usable) {
    std::printf("  left out: this machine has no IPv6 loopback\n");
    return;
  }
  all_well(in_threads(listen_all(3, test_options(), {}, "::1"), [](Communicator& group) {
    float value = 1;
    group.all_reduce_sum(&value, 1);
    if (value != 3) throw std::runtime_error("wrong sum");
  }));
}

void many_ranks() {
  all_well(in_threads(listen_all(12, test_options()), [](Communicator& group) {
    std::vector<float> data(5000, static_cast<float>(group.rank()));
    group.all_reduce_sum(data.data(), data.size());
    if (data[4999] != 66) throw std::runtime_error("wrong sum");
  }));
}

}  // namespace

int main() {
  test("a rank with another key is named by all", [] { odd_rank_is_named([](GroupOptions& o) { o.key[31] ^= 1; }, "key"); });
  test("a rank of another epoch is named by all", [] { odd_rank_is_named([](GroupOptions& o) { o.epoch = 2; }, "another start"); });
  for (const Wire wire : {Wire::f32, Wire::int8}) {
    test("a rank with another wire type is named by all", [wire] { odd_rank_is_named([wire](GroupOptions& o) { o.wire = wire; }, "wire type"); });
  }
  test("a rank that never comes is named", missing_rank);
  test("joining can be cancelled", cancelled);
  test("strangers do not keep the group from forming", strangers);
  test("a recorded hello does not get in", recorded_hello);
  test("something else behind a rank's port is refused", no_group_behind_the_port);
  test("impossible options are refused", impossible_options);
  test("a group over IPv6", over_ipv6);
  test("a group of twelve", many_ranks);
  return finish();
}
