// Drawing by noise: the winner is found without looking at every id's logarithms, and is the one that looking would find.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "../ops/cpu/cpu_ops.h"
#include "../ops/noise.h"
#include "check.h"

using namespace lanyard::ops;

namespace {

constexpr float kNothing = -std::numeric_limits<float>::infinity();

void winners() {
  constexpr int kWidth = 20011, kFirst = 5000;
  auto ops = make_cpu_ops(2, Compute::exact);
  const size_t stride = padded_width(kWidth);
  std::mt19937 random(11);
  // From one likely token to all alike, around levels that rounding to f32 could spoil, and with most ids out of the question.
  const float spreads[] = {0, 0.01f, 1, 3, 12, 200}, levels[] = {0, -3000, 70000}, temperatures[] = {0.05f, 0.7f, 1, 2, 50};
  int cases = 0, wrong = 0, likeliest = 0;
  for (const float spread : spreads) {
    for (const float level : levels) {
      for (const bool holes : {false, true}) {
        std::normal_distribution<float> normal(level, spread);
        std::vector<float> logits(stride);
        for (int i = 0; i < kWidth; ++i) logits[i] = holes && i % 17 != 3 ? kNothing : normal(random);
        const auto top = std::max_element(logits.begin(), logits.begin() + kWidth) - logits.begin();
        for (const float temperature : temperatures) {
          for (uint64_t drawn = 0; drawn < 4; ++drawn, ++cases) {
            const SummaryRequest request{{}, 1.0f / temperature, 1, true, 77, drawn, 0};
            Summary summary;
            Candidate winner, tops;
            ops->summarise({logits.data(), stride}, 1, kWidth, kFirst, &request, &summary, &winner, 1, &tops, 1);
            double best = -std::numeric_limits<double>::infinity();
            int at = 0;
            for (int i = 0; i < kWidth; ++i) {
              const double value = logits[i] * static_cast<double>(request.inverse_temperature) + gumbel(draw_key(77, drawn), kFirst + i);
              if (value > best) best = value, at = i;
            }
            wrong += winner.id != kFirst + at || summary.perturbed != best;
            likeliest += at == top;
          }
        }
      }
    }
  }
  CHECK(wrong == 0, "%d of %d winners", wrong, cases);
  CHECK(likeliest > cases / 20 && likeliest < cases / 2, "the cases tell something: %d of %d are the likeliest id", likeliest, cases);
}

void bounds() {
  // Never no for a noise that reaches x; hardly ever yes for one that does not.
  int yes = 0, reached = 0;
  for (int id = 0; id < 200000; ++id) {
    const uint64_t bits = random_bits(draw_key(3, 1), id);
    for (const double x : {-3.0, 0.0, 1.0, 4.0, 9.0}) {
      const bool may = may_reach(bits, std::exp(-x)), does = gumbel_of(bits) >= x;
      CHECK(may || !does, "id %d, %g", id, x);
      if (x == 4.0) yes += may, reached += does;
    }
  }
  CHECK(reached > 3000 && yes < reached * 1.03, "%d may, %d do", yes, reached);
  const uint64_t largest = (uint64_t{1} << kRandomBits) - 1;
  CHECK(may_reach(largest, std::exp(-gumbel_of(largest)) * 1.0001) && !may_reach(largest, 0));
  CHECK(std::isfinite(gumbel_of(0)) && std::isfinite(gumbel_of(largest)));
}

}  // namespace

int main() {
  check::section("winners with noise", winners);
  check::section("which bits may reach a height", bounds);
  return check::result();
}
