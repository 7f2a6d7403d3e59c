// The public way into a group: listen, join, prepare.
#include <stdexcept>

#include "communicator.h"
#include "joining.h"
#include "mesh.h"

namespace lanyard::comm {

using std::chrono::milliseconds;

struct TcpGroup::Impl {
  explicit Impl(const GroupOptions& wanted) : options(wanted), state(std::make_shared<GroupState>(wanted.rank)) {
    identity.key = wanted.key;
    identity.epoch = wanted.epoch;
    identity.rank = wanted.rank;
    identity.size = wanted.size;
    identity.wire = static_cast<uint8_t>(wanted.wire);
    identity.algorithm = static_cast<uint8_t>(wanted.algorithm);
    wipe(options.key);  // one copy of the secret is enough
  }
  ~Impl() { wipe(identity.key); }

  GroupOptions options;
  Identity identity;
  std::shared_ptr<GroupState> state;
  Fd listener;
  uint16_t port = 0;
};

TcpGroup::TcpGroup(const std::string& bind_address, const GroupOptions& options) {
  if (options.size < 1 || options.size > kMaxRanks || options.rank < 0 || options.rank >= options.size) {
    throw std::invalid_argument("rank " + std::to_string(options.rank) + " of " + std::to_string(options.size) +
                                " is not a place in a group of 1 to " + std::to_string(kMaxRanks));
  }
  if (options.op_timeout <= milliseconds(0) || options.silence_timeout <= milliseconds(0)) {
    throw std::invalid_argument("a group's timeouts must be positive");
  }
  impl_ = std::make_unique<Impl>(options);
  impl_->listener = listen_on(parse_address(bind_address, 0), impl_->port);
}

TcpGroup::~TcpGroup() = default;

uint16_t TcpGroup::port() const noexcept { return impl_->port; }

void TcpGroup::cancel() noexcept {
  impl_->state->fail(Failure::aborted, impl_->options.rank, "joining the group was cancelled");
}

std::unique_ptr<Communicator> TcpGroup::connect(const std::vector<PeerAddress>& peers, milliseconds timeout) {
  if (!impl_->listener) throw std::logic_error("TcpGroup::connect can be called once");
  const GroupOptions& options = impl_->options;
  if (peers.size() != static_cast<size_t>(options.size)) {
    throw std::invalid_argument("a group of " + std::to_string(options.size) + " ranks needs as many addresses, not " +
                                std::to_string(peers.size()));
  }
  const auto until = Clock::now() + timeout;
  auto monitor = std::make_unique<Monitor>(impl_->state, options.epoch, options.silence_timeout);
  auto links = [&] {
    const Fd listener = std::move(impl_->listener);  // closed as soon as nobody else is expected
    return join_group(options, impl_->identity, *impl_->state, *monitor, listener, peers, until);
  }();
  wipe(impl_->identity.key);
  auto communicator = std::make_unique<MeshCommunicator>(options, impl_->state, std::move(monitor), std::move(links));
  communicator->prepare(until);
  return communicator;
}

}  // namespace lanyard::comm
