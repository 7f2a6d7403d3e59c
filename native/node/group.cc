#include "group.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "../error.h"
#include "problem.h"
#include "read.h"

namespace lanyard::node {
namespace {

constexpr napi_type_tag kGroupTag = {0x4c616e7961726447u, 0x726f757031000001u};

comm::GroupOptions read_options(const Napi::Object& o) {
  comm::GroupOptions options;
  options.rank = integer(o, "rank");
  options.size = integer(o, "size");
  const double epoch = number(o, "epoch");
  if (!(epoch >= 0 && epoch <= 4294967295.0)) throw Error("bad_request", "epoch is not an unsigned 32-bit number.");
  options.epoch = static_cast<uint32_t>(epoch);
  const auto wire = comm::wire_named(text(o, "wire"));
  if (!wire) throw Error("bad_request", "wire is none of bf16, int8 and f32.");
  options.wire = *wire;
  const Napi::Value key = o.Get("key");
  if (!key.IsTypedArray() || key.As<Napi::TypedArray>().ByteLength() != options.key.size()) {
    throw Error("bad_request", "key is not a Uint8Array of 32 bytes.");
  }
  const auto bytes = key.As<Napi::TypedArray>();
  std::memcpy(options.key.data(), static_cast<uint8_t*>(bytes.ArrayBuffer().Data()) + bytes.ByteOffset(), options.key.size());
  return options;
}

std::vector<comm::PeerAddress> read_peers(const Napi::Value& value) {
  if (!value.IsArray()) throw Error("bad_request", "peers is not an array.");
  const auto peers = value.As<Napi::Array>();
  std::vector<comm::PeerAddress> out;
  for (uint32_t i = 0; i < peers.Length(); ++i) {
    const Napi::Value peer = peers.Get(i);
    if (!peer.IsObject()) throw Error("bad_request", "peers holds something that is not {host, port}.");
    const auto object = peer.As<Napi::Object>();
    const int port = integer(object, "port");
    if (port < 0 || port > 65535) throw Error("bad_request", "A peer's port is beyond 65535.");
    out.push_back({text(object, "host"), static_cast<uint16_t>(port)});
  }
  return out;
}

Napi::Value connect(const std::shared_ptr<GroupState>& state, const Napi::CallbackInfo& info) {
  if (state->size == 1) return state->async.run(info.Env(), [] { return [](Napi::Env env) { return env.Undefined(); }; });
  auto peers = read_peers(info[0]);
  const auto timeout = std::chrono::milliseconds(static_cast<int64_t>(info[1].ToNumber().DoubleValue()));
  return state->async.run(info.Env(), [state, peers = std::move(peers), timeout]() -> Finish {
    if (state->communicator) throw Error("bad_request", "The group is already connected.");
    state->communicator = state->tcp->connect(peers, timeout);
    state->joined = state->communicator.get();
    if (state->stopping) state->communicator->abort("closed");
    return [](Napi::Env env) { return env.Undefined(); };
  });
}

Napi::Value measure(const std::shared_ptr<GroupState>& state, const Napi::CallbackInfo& info) {
  const auto elements = static_cast<size_t>(std::max<int64_t>(0, info[0].ToNumber().Int64Value()));
  const int rounds = std::max(1, info[1].ToNumber().Int32Value());
  return state->async.run(info.Env(), [state, elements, rounds]() -> Finish {
    if (!state->communicator) throw Error("bad_request", "The group is not connected.");
    const double micros = state->communicator->measure(elements, rounds);
    return [micros](Napi::Env env) { return Napi::Number::New(env, micros); };
  });
}

void close(const std::shared_ptr<GroupState>& state) {
  if (state->closed) return;
  state->closed = true;
  if (state->async.running() > 0) state->abort("closed");
  // An engine that is closing still says goodbye to its followers before this.
  GroupState* group = state.get();
  group->async.post([group] {
    group->joined = nullptr;
    group->communicator.reset();
    group->tcp.reset();
  });
}

}  // namespace

GroupState::GroupState(Napi::Env env)
    : async(env, [this] {
        stopping = true;
        abort("closed");
      }) {}

void GroupState::abort(const std::string& reason) noexcept {
  if (engine::Engine* running = engine.load()) running->stop();
  if (size == 1) return;
  if (comm::Communicator* group = joined.load()) group->abort(reason);
  else if (tcp) tcp->cancel();
}

Napi::Value create_group(const Napi::CallbackInfo& info) {
  if (!info[0].IsObject()) throw Napi::TypeError::New(info.Env(), "createGroup needs options.");
  const auto given = info[0].As<Napi::Object>();
  const comm::GroupOptions options = read_options(given);
  if (options.size < 1 || options.rank < 0 || options.rank >= options.size) {
    throw Error("bad_request", "Rank " + std::to_string(options.rank) + " of " + std::to_string(options.size) + " is impossible.");
  }
  auto state = std::make_shared<GroupState>(info.Env());
  state->size = options.size;
  if (options.size == 1) {
    state->communicator = comm::make_single();
  } else {
    state->tcp = std::make_unique<comm::TcpGroup>(text(given, "bind"), options);
  }
  const int port = state->tcp ? state->tcp->port() : 0;

  Napi::Object object = Napi::Object::New(info.Env());
  const Napi::Env env = info.Env();
  napi_type_tag_object(env, object, &kGroupTag);
  auto* held = new std::shared_ptr<GroupState>(state);
  napi_wrap(env, object, held, [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<GroupState>*>(data); },
            nullptr, nullptr);
  object.Set("port", Napi::Number::New(env, port));
  object.Set("connect", Napi::Function::New(env, [state](const Napi::CallbackInfo& info) {
    return rejecting(info, [&](const Napi::CallbackInfo& call) { return connect(state, call); });
  }));
  object.Set("measure", Napi::Function::New(env, [state](const Napi::CallbackInfo& info) {
    return rejecting(info, [&](const Napi::CallbackInfo& call) { return measure(state, call); });
  }));
  object.Set("close", Napi::Function::New(env, [state](const Napi::CallbackInfo& call) {
    close(state);
    return call.Env().Undefined();
  }));
  return object;
}

std::shared_ptr<GroupState> group_of(const Napi::Value& value) {
  bool matches = false;
  if (value.IsObject()) napi_check_object_type_tag(value.Env(), value, &kGroupTag, &matches);
  void* data = nullptr;
  if (!matches || napi_unwrap(value.Env(), value, &data) != napi_ok) {
    throw Napi::TypeError::New(value.Env(), "The group was not made by createGroup.");
  }
  return *static_cast<std::shared_ptr<GroupState>*>(data);
}

}  // namespace lanyard::node
