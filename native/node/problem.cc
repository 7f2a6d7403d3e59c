#include "problem.h"

#include <new>
#include <stdexcept>
#include <string>

#include "../comm/communicator.h"
#include "../error.h"

namespace lanyard::node {
namespace {

Napi::Error make(Napi::Env env, const std::string& code, const std::string& message, int rank) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  if (rank >= 0) error.Set("rank", Napi::Number::New(env, rank));
  return error;
}

}  // namespace

Napi::Error problem(Napi::Env env, const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Napi::Error& error) {
    return error;
  } catch (const Error& error) {
    return make(env, error.code(), error.what(), error.rank());
  } catch (const comm::CommError& error) {
    return make(env, error.code(), error.what(), error.rank());
  } catch (const std::bad_alloc&) {
    return make(env, "out_of_memory", "The system gave no more memory.", -1);
  } catch (const std::invalid_argument& error) {
    return make(env, "bad_request", error.what(), -1);
  } catch (const std::exception& error) {
    return make(env, "internal", error.what(), -1);
  } catch (...) {
    return make(env, "internal", "An unknown failure in the native engine.", -1);
  }
}

}  // namespace lanyard::node
