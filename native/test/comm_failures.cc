// A group that loses a rank ends on all others within two seconds, and everyone names the same rank.
#include <atomic>

#include "comm_check.h"

using namespace check;

namespace {

constexpr double kWithinMicros = 2e6;

void reduce_for_ever(Communicator& group, const std::function<void()>& ready) {
  std::vector<float> data(3000);
  for (int round = 0;; ++round) {
    if (round == 10) ready();
    group.all_reduce_sum(data.data(), data.size());
  }
}

void wait_for_work(Communicator& group, const std::function<void()>& ready) {
  float value = 1;
  group.all_reduce_sum(&value, 1);
  ready();
  std::vector<std::byte> blob;
  if (group.rank() == 0) {
    // Rank 0 has no work to give out; the failure must reach it when it next uses the group.
    for (;;) {
      std::this_thread::sleep_for(milliseconds(10));
      if (group.rank() == 0) group.broadcast(&value, sizeof value, 0);
    }
  }
  for (;;) group.broadcast(&value, sizeof value, 0);
}

void idle(Communicator& group, const std::function<void()>& ready) {
  ready();
  std::vector<std::byte> blob;
  // Rank 3 gives out the work and never has any: all others wait.
  if (group.rank() == group.size() - 1) {
    for (;;) std::this_thread::sleep_for(milliseconds(100));
  }
  group.broadcast_blob(blob, group.size() - 1);
}

void struck(int number, const Processes::ChildBody& body, const std::vector<int>& watched, int victim, int size,
            Algorithm algorithm = Algorithm::one_shot) {
  Processes group(listen_all(size, test_options(), [&](GroupOptions& o) { o.algorithm = algorithm; }), body);
  group.wait_ready();
  const double struck_at = now_micros();
  group.signal(victim, number);
  for (const int rank : watched) {
    const Outcome outcome = group.outcome(rank);
    expect(outcome, Failure::rank_lost, victim);
    const double after = outcome.micros_at_end - struck_at;
    CHECK(after < kWithinMicros, "rank %d knew after %.0f ms", rank, after / 1e3);
    std::printf("  rank %d after %.1f ms: %s\n", rank, after / 1e3, outcome.message);
  }
}

void late_rank() {
  const auto outcomes = in_threads(
      listen_all(3, test_options(), [](GroupOptions& o) { o.op_timeout = milliseconds(o.rank == 0 ? 400 : 5000); }),
      [](Communicator& group) {
        float value = 1;
        group.all_reduce_sum(&value, 1);
        if (group.rank() == 2) std::this_thread::sleep_for(milliseconds(1500));  // alive, but later than rank 0 allows
        group.all_reduce_sum(&value, 1);
      });
  for (const auto& outcome : outcomes) expect(outcome, Failure::group_timeout, 2);
}

void abort_from_another_thread() {
  std::atomic<double> aborted_at{0};
  const auto outcomes = in_threads(listen_all(3, test_options()), [&](Communicator& group) {
    float value = 1;
    group.all_reduce_sum(&value, 1);
    if (group.rank() == 1) {
      std::thread other([&] {
        aborted_at = now_micros();
        group.abort("the deployment was stopped");
      });
      const Outcome outcome = outcome_of([&] {
        std::vector<std::byte> blob;
        group.broadcast_blob(blob, 0);
      });
      other.join();
      expect(outcome, Failure::aborted, 1);
    }
    for (;;) group.broadcast(&value, sizeof value, 1);
  });
  for (const auto& outcome : outcomes) {
    expect(outcome, Failure::aborted, 1);
    CHECK(std::string(outcome.message).find("the deployment was stopped") != std::string::npos, "%s", outcome.message);
    CHECK(outcome.micros_at_end - aborted_at.load() < kWithinMicros);
  }
}

void same_failure_again() {
  const auto outcomes = in_threads(listen_all(2, test_options()), [](Communicator& group) {
    group.abort("first");
    group.abort("second");
    float value = 1;
    const Outcome outcome = outcome_of([&] { group.all_reduce_sum(&value, 1); });
    const Outcome again = outcome_of([&] { group.gather(&value, 4, &value, 1); });
    CHECK(std::string(outcome.message) == again.message && outcome.rank == again.rank);
    throw CommError(Failure::aborted, outcome.rank, outcome.message);
  });
  for (const auto& outcome : outcomes) CHECK(std::string(outcome.message).find("first") == 0, "%s", outcome.message);
}

void left_while_needed() {
  const auto outcomes = in_threads(listen_all(3, test_options()), [](Communicator& group) {
    float value = 1;
    group.all_reduce_sum(&value, 1);
    if (group.rank() == 1) return;
    for (;;) group.all_reduce_sum(&value, 1);
  });
  CHECK(!outcomes[1].threw, "%s", outcomes[1].message);
  expect(outcomes[0], Failure::aborted, 1);
  expect(outcomes[2], Failure::aborted, 1);
}

void left_while_idle() {
  const auto outcomes = in_threads(listen_all(3, test_options()), [](Communicator& group) {
    float value = 1;
    group.all_reduce_sum(&value, 1);
    if (group.rank() == 1) return;
    std::vector<std::byte> blob;
    group.broadcast_blob(blob, group.rank() == 0 ? 2 : 0);
  });
  CHECK(!outcomes[1].threw, "%s", outcomes[1].message);
  expect(outcomes[0], Failure::aborted, 1);
  expect(outcomes[2], Failure::aborted, 1);
}

// The last thing a rank sends must arrive although it leaves at once.
void last_words_arrive() {
  for (int round = 0; round < 20; ++round) {
    all_well(in_threads(listen_all(3, test_options()), [](Communicator& group) {
      std::vector<uint8_t> mine(50000, static_cast<uint8_t>(group.rank())), all(150000);
      group.gather(mine.data(), mine.size(), all.data(), 0);
      if (group.rank() == 0 && (all[50000] != 1 || all[149999] != 2)) throw std::runtime_error("wrong bytes");
    }));
  }
}

void disagreement() {
  const auto outcomes = in_threads(listen_all(2, test_options()), [](Communicator& group) {
    std::vector<float> data(100);
    group.all_reduce_sum(data.data(), group.rank() == 0 ? 100 : 99);
  });
  for (const auto& outcome : outcomes) {
    CHECK(outcome.comm_error && outcome.failure == Failure::comm_corrupt, "%s", outcome.message);
  }
}

}  // namespace

int main(int argc, char** argv) {
  choose_carrier(argc, argv);
  test("a killed rank is named by all others during all-reduces, one-shot", [] { struck(SIGKILL, reduce_for_ever, {0, 2}, 1, 3); });
  test("a killed rank is named by all others during all-reduces, two-shot",
       [] { struck(SIGKILL, reduce_for_ever, {0, 1, 2}, 3, 4, Algorithm::two_shot); });
  test("killed rank 0 is named by all others", [] { struck(SIGKILL, reduce_for_ever, {1, 2}, 0, 3); });
  test("a killed rank is named by ranks that wait for a step", [] { struck(SIGKILL, wait_for_work, {0, 2}, 1, 3); });
  test("a killed rank is named by idle ranks", [] { struck(SIGKILL, idle, {0, 2}, 1, 4); });
  test("a rank that falls silent is named during all-reduces", [] { struck(SIGSTOP, reduce_for_ever, {0, 2}, 1, 3); });
  test("a rank that falls silent is named by idle ranks", [] { struck(SIGSTOP, idle, {0, 2}, 1, 4); });
  test("a rank that lives but comes later than allowed is named by all", late_rank);
  test("abort from another thread ends all ranks with the reason", abort_from_another_thread);
  test("after a failure every call throws the same failure", same_failure_again);
  test("a rank that leaves in order while needed is named", left_while_needed);
  test("a rank that leaves in order while others are idle is named", left_while_idle);
  test("what a rank sent before it left arrives", last_words_arrive);
  test("ranks that disagree on an operation are told", disagreement);
  return finish();
}
