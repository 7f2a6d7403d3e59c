// Forming the group: every rank connects to the ranks below its own and accepts those above, two connections per pair
// (data and control), all by one thread with one poll loop.
#pragma once

#include <memory>
#include <vector>

#include "communicator.h"
#include "group_state.h"
#include "handshake.h"
#include "monitor.h"
#include "sealed_link.h"
#include "socket.h"

namespace lanyard::comm {

// Returns the data connections by rank (none for the own one) when all ranks are there; control connections go to the
// monitor. Throws CommError: `group_timeout` after the deadline, `group_auth` for a rank that cannot prove itself or was told
// another group, `aborted` when the state is.
std::vector<std::unique_ptr<SealedLink>> join_group(const GroupOptions& options, const Identity& identity, GroupState& state,
                                                    Monitor& monitor, const Fd& listener, const std::vector<PeerAddress>& peers,
                                                    Clock::time_point deadline);

}  // namespace lanyard::comm
