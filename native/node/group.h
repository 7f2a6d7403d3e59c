// A group as JavaScript sees it: the thread on which its collectives and its engine run, and the communicator.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>
#include <string>

#include "../comm/communicator.h"
#include "../engine/engine.h"
#include "async.h"

namespace lanyard::node {

class GroupState {
 public:
  explicit GroupState(Napi::Env env);

  // From any thread: ends what is running, and the group.
  void abort(const std::string& reason) noexcept;

  std::unique_ptr<comm::TcpGroup> tcp;
  std::unique_ptr<comm::Communicator> communicator;     // made and used on the group's thread
  std::atomic<comm::Communicator*> joined{nullptr};     // the same, for abort()
  std::atomic<engine::Engine*> engine{nullptr};         // the open one, for abort()
  std::atomic<bool> stopping{false};
  bool closed = false;
  int size = 1;
  Async async;  // last: its thread ends before the rest goes
};

// createGroup(options)
Napi::Value create_group(const Napi::CallbackInfo& info);

// The state behind a group object. Throws a TypeError for anything else.
std::shared_ptr<GroupState> group_of(const Napi::Value& value);

// open(spec, group, onProgress?)
Napi::Value open_engine(const Napi::CallbackInfo& info);

}  // namespace lanyard::node
