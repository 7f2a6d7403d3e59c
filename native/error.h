// The one error of the engine: a code of the closed union in electron/contract/errors.ts, and the rank at fault.
#pragma once

#include <stdexcept>
#include <string>

namespace lanyard {

class Error : public std::runtime_error {
 public:
  Error(std::string code, const std::string& message, int rank = -1)
      : std::runtime_error(message), code_(std::move(code)), rank_(rank) {}
  const std::string& code() const noexcept { return code_; }
  int rank() const noexcept { return rank_; }  // -1: no other rank is at fault

 private:
  std::string code_;
  int rank_;
};

}  // namespace lanyard
