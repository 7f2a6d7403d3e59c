#include "lanes.h"

#include <algorithm>

namespace lanyard::model {

namespace {

constexpr int kLanesFrom = 128;

}  // namespace

int lanes_from(int experts, int experts_per_token) {
  if (experts <= 0) return kLanesFrom;
  return static_cast<int>(static_cast<int64_t>(kLanesFrom) * experts / std::clamp(experts_per_token, 1, experts));
}

bool cut_lanes(const ops::Batch& batch, int least, Lane* lanes) {
  static_assert(ops::Ops::kLanes == 2);
  if (batch.tokens < least) return false;
  const int middle = (batch.tokens / 2 + kLaneTokens - 1) / kLaneTokens * kLaneTokens;
  if (middle == 0 || middle >= batch.tokens) return false;
  const int ends[] = {0, middle, batch.tokens};
  for (int i = 0; i < 2; ++i) {
    const int from = ends[i], to = ends[i + 1];
    Lane& lane = lanes[i];
    lane.start = from;
    lane.waiting = false;
    lane.first.clear();
    for (int s = 0; s <= batch.sequences; ++s) lane.first.push_back(std::clamp(batch.first[s], from, to) - from);
    lane.batch = batch;
    lane.batch.tokens = to - from;
    lane.batch.ids += from;
    lane.batch.positions += from;
    lane.batch.sequence += from;
    lane.batch.first = lane.first.data();
  }
  return true;
}

}  // namespace lanyard::model
