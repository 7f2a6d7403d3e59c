// Packed weights kept in a file of their own, so that a restart maps them instead of packing again. The file belongs to one
// key (which weights, and how this machine lays them out); whatever does not fit is packed anew and the file replaced.
//
//   64 bytes   magic, version, sizes and the checksum of the tail
//   data       the matrices' bytes, each at a multiple of 4096
//   tail       key, entries, one checksum per 8 MiB of everything before it
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "../ops/ops.h"
#include "files.h"
#include "spec.h"

namespace lanyard::model {

struct PrepackedPlace {
  Role role;
  int layer, expert;
  auto operator<=>(const PrepackedPlace&) const = default;
};

// A file that is whole and fits its key. Read-only, mapped.
class PrepackedFile {
 public:
  struct Entry {
    uint64_t rows, cols, offset, bytes;
  };

  // Null where there is none, or it is of another key or damaged: every byte is checked, by `threads` threads.
  static std::shared_ptr<const PrepackedFile> open(const std::string& path, const std::string& key, int threads);

  // Null when the file has no such matrix.
  const Entry* find(const PrepackedPlace& place) const;
  const uint8_t* data(const Entry& entry) const { return file_.data() + entry.offset; }

 private:
  explicit PrepackedFile(const std::string& path) : file_(path) {}
  bool check(const std::string& key, int threads);

  MappedFile file_;
  std::map<PrepackedPlace, Entry> entries_;
};

struct PrepackedPart {
  PrepackedPlace place;
  const ops::Matrix* matrix;
};

// Writes such a file in a thread of its own, behind the first requests. It appears when it is whole; nothing is written where
// the disk would become too full, and a failure leaves things as they were. The matrices must live as long as this.
class PrepackedWriter {
 public:
  PrepackedWriter(std::string path, std::string key, std::vector<PrepackedPart> parts);
  ~PrepackedWriter();  // stops it, finished or not

 private:
  void write();
  bool write_all(int file);

  std::string path_, key_;
  std::vector<PrepackedPart> parts_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace lanyard::model
