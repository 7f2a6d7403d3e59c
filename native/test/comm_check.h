// What the communicator's test programs share: cases and checks, groups in threads, groups in processes.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "communicator.h"

namespace check {

using namespace lanyard::comm;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

struct Tally {
  int passed = 0;
  int failed = 0;
  bool case_failed = false;
};
inline Tally& tally() {
  static Tally all;
  return all;
}

#define CHECK(condition, ...)                                                          \
  do {                                                                                 \
    if (!(condition)) {                                                                \
      check::tally().case_failed = true;                                               \
      std::printf("  %s:%d: %s ", __FILE__, __LINE__, #condition);                      \
      __VA_OPT__(std::printf(__VA_ARGS__);)                                                  \
      std::printf("\n");                                                               \
    }                                                                                  \
  } while (false)

// Runs one case; an exception that escapes it is a failure.
inline void test(const char* name, const std::function<void()>& body) {
  std::fflush(stdout);
  const auto started = Clock::now();
  tally().case_failed = false;
  try {
    body();
  } catch (const std::exception& error) {
    tally().case_failed = true;
    std::printf("  unexpected: %s\n", error.what());
  }
  ++(tally().case_failed ? tally().failed : tally().passed);
  std::printf("%s %s (%.0f ms)\n", tally().case_failed ? "FAILED" : "ok    ", name,
              std::chrono::duration<double, std::milli>(Clock::now() - started).count());
  std::fflush(stdout);
}

inline int finish() {
  std::printf("%d passed, %d failed\n", tally().passed, tally().failed);
  return tally().failed == 0 ? 0 : 1;
}

// What carries the data in this run of a test program: its first argument.
enum class Carrier { tcp, shared, mixed };
inline Carrier& carrier() {
  static Carrier chosen = Carrier::tcp;
  return chosen;
}
inline void choose_carrier(int argc, char** argv) {
  const std::string wanted = argc > 1 ? argv[1] : "tcp";
  carrier() = wanted == "shared" ? Carrier::shared : wanted == "mixed" ? Carrier::mixed : Carrier::tcp;
  std::printf("data travels by %s\n", carrier() == Carrier::shared ? "shared memory"
                                       : carrier() == Carrier::mixed ? "shared memory between even ranks, TCP otherwise" : "TCP");
}
inline Transport transport_of(int rank) {
  const bool shares = carrier() == Carrier::shared || (carrier() == Carrier::mixed && rank % 2 == 0);
  return shares ? Transport::automatic : Transport::tcp;
}

// More ranks than cores run here, so nobody spins unless a test says so.
inline GroupOptions test_options() {
  GroupOptions options;
  options.key.fill(0x5a);
  options.epoch = 3;
  options.spin_micros = 0;
  return options;
}

struct Listening {
  std::vector<std::unique_ptr<TcpGroup>> groups;
  std::vector<PeerAddress> peers;
};

inline Listening listen_all(int size, GroupOptions options, const std::function<void(GroupOptions&)>& adjust = {},
                            const char* address = "127.0.0.1") {
  Listening all;
  for (int rank = 0; rank < size; ++rank) {
    GroupOptions own = options;
    own.rank = rank;
    own.size = size;
    own.transport = transport_of(rank);
    if (adjust) adjust(own);
    all.groups.push_back(std::make_unique<TcpGroup>(address, own));
    all.peers.push_back({address, all.groups.back()->port()});
  }
  return all;
}

// How one rank ended.
struct Outcome {
  bool threw = false;
  bool comm_error = false;
  Failure failure = Failure::aborted;
  int rank = -2;
  double micros_at_end = 0;  // on the machine's steady clock
  char message[400] = "";
};

inline double now_micros() { return std::chrono::duration<double, std::micro>(Clock::now().time_since_epoch()).count(); }

inline Outcome outcome_of(const std::function<void()>& body) {
  Outcome outcome;
  try {
    body();
  } catch (const CommError& error) {
    outcome.threw = outcome.comm_error = true;
    outcome.failure = error.failure();
    outcome.rank = error.rank();
    std::snprintf(outcome.message, sizeof outcome.message, "%s", error.what());
  } catch (const std::exception& error) {
    outcome.threw = true;
    std::snprintf(outcome.message, sizeof outcome.message, "%s", error.what());
  }
  outcome.micros_at_end = now_micros();
  return outcome;
}

using Body = std::function<void(Communicator&)>;

// Every rank a thread of this process.
inline std::vector<Outcome> in_threads(Listening all, const Body& body, milliseconds timeout = milliseconds(15000)) {
  std::vector<Outcome> outcomes(all.groups.size());
  std::vector<std::thread> threads;
  for (size_t rank = 0; rank < all.groups.size(); ++rank) {
    threads.emplace_back([&, rank] {
      outcomes[rank] = outcome_of([&] {
        const auto group = all.groups[rank]->connect(all.peers, timeout);
        body(*group);
      });
    });
  }
  for (auto& thread : threads) thread.join();
  return outcomes;
}

inline void all_well(const std::vector<Outcome>& outcomes) {
  for (size_t rank = 0; rank < outcomes.size(); ++rank) {
    CHECK(!outcomes[rank].threw, "rank %zu: %s", rank, outcomes[rank].message);
  }
}

// Every rank a process of its own; a child reports through a pipe that it is ready and how it ended.
class Processes {
 public:
  // body(group, ready): ready() tells the parent that this rank has come to the point the test is about.
  using ChildBody = std::function<void(Communicator&, const std::function<void()>&)>;

  Processes(Listening all, const ChildBody& body) {
    std::fflush(stdout);
    for (size_t rank = 0; rank < all.groups.size(); ++rank) {
      int ends[2];
      if (::pipe(ends) != 0) std::abort();
      const pid_t pid = ::fork();
      if (pid == 0) {
        ::close(ends[0]);
        auto mine = std::move(all.groups[rank]);
        all.groups.clear();
        const auto report = [&](char kind, const void* data, size_t bytes) {
          if (::write(ends[1], &kind, 1) != 1 || (bytes > 0 && ::write(ends[1], data, bytes) < 0)) ::_exit(3);
        };
        const Outcome outcome = outcome_of([&] {
          const auto group = mine->connect(all.peers, milliseconds(15000));
          body(*group, [&] { report('r', nullptr, 0); });
        });
        report('o', &outcome, sizeof outcome);
        ::_exit(0);
      }
      ::close(ends[1]);
      children_.push_back({pid, ends[0]});
    }
  }
  ~Processes() {
    for (auto& child : children_) {
      ::kill(child.pid, SIGKILL);
      ::waitpid(child.pid, nullptr, 0);
      ::close(child.pipe);
    }
  }
  Processes(const Processes&) = delete;

  void wait_ready() {
    for (auto& child : children_) {
      char kind = 0;
      CHECK(::read(child.pipe, &kind, 1) == 1 && kind == 'r');
    }
  }
  void signal(int rank, int number) { ::kill(children_[static_cast<size_t>(rank)].pid, number); }
  Outcome outcome(int rank) {
    Outcome outcome;
    char kind = 0;
    const int pipe = children_[static_cast<size_t>(rank)].pipe;
    while (::read(pipe, &kind, 1) == 1 && kind != 'o') {
    }
    CHECK(kind == 'o' && ::read(pipe, &outcome, sizeof outcome) == static_cast<ssize_t>(sizeof outcome));
    return outcome;
  }

 private:
  struct Child {
    pid_t pid;
    int pipe;
  };
  std::vector<Child> children_;
};

inline void expect(const Outcome& outcome, Failure failure, int rank) {
  CHECK(outcome.comm_error && outcome.failure == failure && outcome.rank == rank, "wanted %s of rank %d, got %s of rank %d: %s",
        failure_name(failure), rank, outcome.comm_error ? failure_name(outcome.failure) : "no CommError", outcome.rank,
        outcome.message);
}

}  // namespace check
