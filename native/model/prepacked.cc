#include "prepacked.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "../error.h"

namespace lanyard::model {
namespace {

constexpr char kMagic[8] = {'L', 'A', 'N', 'Y', 'P', 'A', 'C', 'K'};
constexpr uint64_t kVersion = 1;
constexpr uint64_t kAlignment = 4096;
constexpr uint64_t kChunk = uint64_t{8} << 20;
// Stays free on the disk, for everybody else.
constexpr uint64_t kReserve = uint64_t{1} << 30;

struct Header {
  char magic[8];
  uint64_t version;
  uint64_t tail;        // offset of the tail, a multiple of kAlignment
  uint64_t file_bytes;  // of the whole file
  uint64_t key_bytes;
  uint64_t entries;
  uint64_t tail_sum;    // checksum of the tail
  uint64_t header_sum;  // checksum of the fields above
};
static_assert(sizeof(Header) == 64);

struct StoredEntry {
  int32_t role, layer, expert, unused;
  PrepackedFile::Entry entry;
};
static_assert(sizeof(StoredEntry) == 48);

constexpr uint64_t aligned(uint64_t at) { return (at + kAlignment - 1) / kAlignment * kAlignment; }

uint64_t word_at(const uint8_t* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, 8);
  return word;
}

constexpr uint64_t rotated(uint64_t value, int by) { return (value << by) | (value >> (64 - by)); }

// Against rotten disks and half-written files, at the speed of memory; not against somebody who means it, who could as well
// change the weights. Four independent chains of words.
uint64_t checksum(const uint8_t* bytes, uint64_t count) {
  constexpr uint64_t a = 0x9e3779b185ebca87u, b = 0xc2b2ae3d27d4eb4fu;
  uint64_t lanes[4] = {a, b, ~a, ~b};
  uint64_t at = 0;
  for (; at + 32 <= count; at += 32) {
    for (int i = 0; i < 4; ++i) lanes[i] = rotated(lanes[i] + word_at(bytes + at + 8 * i) * b, 31) * a;
  }
  uint64_t sum = count * a;
  for (uint64_t lane : lanes) sum = rotated(sum ^ lane, 27) * b + a;
  for (; at < count; ++at) sum = rotated(sum ^ bytes[at] * a, 11) * b;
  sum ^= sum >> 33;
  sum *= b;
  return sum ^ (sum >> 29);
}

uint64_t header_sum(const Header& header) {
  return checksum(reinterpret_cast<const uint8_t*>(&header), offsetof(Header, header_sum));
}

uint64_t chunks_of(uint64_t bytes) { return (bytes + kChunk - 1) / kChunk; }

}  // namespace

std::shared_ptr<const PrepackedFile> PrepackedFile::open(const std::string& path, const std::string& key, int threads) {
  try {
    std::shared_ptr<PrepackedFile> file(new PrepackedFile(path));
    if (file->check(key, threads)) return file;
  } catch (const Error&) {
    // There is none, or it cannot be read: packing is always possible.
  }
  return nullptr;
}

bool PrepackedFile::check(const std::string& key, int threads) {
  Header header;
  if (file_.size() < sizeof header) return false;
  std::memcpy(&header, file_.data(), sizeof header);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0 || header.version != kVersion) return false;
  if (header.header_sum != header_sum(header) || header.file_bytes != file_.size()) return false;
  if (header.tail > header.file_bytes || header.tail % kAlignment != 0 || header.key_bytes != key.size()) return false;
  const uint64_t chunks = chunks_of(header.tail), tail_bytes = header.file_bytes - header.tail;
  if (header.entries > tail_bytes / sizeof(StoredEntry)) return false;
  if (tail_bytes != header.key_bytes + header.entries * sizeof(StoredEntry) + chunks * 8) return false;
  const uint8_t* tail = file_.data() + header.tail;
  if (checksum(tail, tail_bytes) != header.tail_sum || std::memcmp(tail, key.data(), key.size()) != 0) return false;
  const uint8_t* at = tail + key.size();
  for (uint64_t i = 0; i < header.entries; ++i, at += sizeof(StoredEntry)) {
    StoredEntry stored;
    std::memcpy(&stored, at, sizeof stored);
    const Entry& entry = stored.entry;
    if (entry.offset % kAlignment != 0 || entry.offset > header.tail || entry.bytes > header.tail - entry.offset) return false;
    entries_[{static_cast<Role>(stored.role), stored.layer, stored.expert}] = entry;
  }
  madvise(const_cast<uint8_t*>(file_.data()), file_.size(), MADV_WILLNEED);
  std::atomic<uint64_t> next{0};
  std::atomic<bool> sound{true};
  auto work = [&] {
    for (uint64_t i = next++; i < chunks && sound; i = next++) {
      // The header's own bytes came last, and have their own sum.
      const uint64_t from = i == 0 ? sizeof(Header) : i * kChunk, to = std::min((i + 1) * kChunk, header.tail);
      if (checksum(file_.data() + from, to - from) != word_at(at + 8 * i)) sound = false;
    }
  };
  std::vector<std::thread> helpers;
  for (int i = 1; i < threads; ++i) helpers.emplace_back(work);
  work();
  for (std::thread& helper : helpers) helper.join();
  return sound;
}

const PrepackedFile::Entry* PrepackedFile::find(const PrepackedPlace& place) const {
  const auto found = entries_.find(place);
  return found == entries_.end() ? nullptr : &found->second;
}

PrepackedWriter::PrepackedWriter(std::string path, std::string key, std::vector<PrepackedPart> parts)
    : path_(std::move(path)), key_(std::move(key)), parts_(std::move(parts)), thread_([this] { write(); }) {}

PrepackedWriter::~PrepackedWriter() {
  stop_ = true;
  thread_.join();
}

void PrepackedWriter::write() {
#ifdef __linux__
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), 10);  // of this thread only: answers come first
#endif
  const std::string partial = path_ + ".partial";
  // What lies there was left by a process that was killed, unless another rank is writing it right now.
  const int file = ::open(partial.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return;
  if (flock(file, LOCK_EX | LOCK_NB) == 0) {
    if (!write_all(file) || std::rename(partial.c_str(), path_.c_str()) != 0) unlink(partial.c_str());
  }
  ::close(file);
}

// False when it was stopped, the disk is too full, or writing failed.
bool PrepackedWriter::write_all(int file) {
  std::vector<StoredEntry> entries;
  uint64_t end = aligned(sizeof(Header));
  for (const PrepackedPart& part : parts_) {
    const ops::Matrix& m = *part.matrix;
    entries.push_back({static_cast<int32_t>(part.place.role), part.place.layer, part.place.expert, 0,
                       {m.rows, m.cols, end, m.bytes}});
    end = aligned(end + m.bytes);
  }
  struct statvfs disk {};
  if (fstatvfs(file, &disk) != 0 || uint64_t{disk.f_bavail} * disk.f_frsize < end + kReserve) return false;
  if (ftruncate(file, 0) != 0) return false;

  auto put = [&](const void* bytes, uint64_t count, uint64_t at) {
    const auto* from = static_cast<const uint8_t*>(bytes);
    while (count > 0) {
      const ssize_t done = pwrite(file, from, std::min<uint64_t>(count, kChunk), static_cast<off_t>(at));
      if (done < 0 && errno == EINTR) continue;
      if (done <= 0 || stop_) return false;
      from += done;
      at += static_cast<uint64_t>(done);
      count -= static_cast<uint64_t>(done);
    }
    return true;
  };
  // Chunk by chunk through a buffer, as chunks and matrices have different borders.
  std::vector<uint64_t> sums;
  std::vector<uint8_t> buffer(kChunk);
  size_t part = 0;
  for (uint64_t from = 0; from < end; from += kChunk) {
    const uint64_t to = std::min(from + kChunk, end);
    std::fill(buffer.begin(), buffer.end(), uint8_t{0});
    while (part < parts_.size() && entries[part].entry.offset < to) {
      const PrepackedFile::Entry& entry = entries[part].entry;
      const uint64_t first = std::max(entry.offset, from), last = std::min(entry.offset + entry.bytes, to);
      if (first < last) std::memcpy(buffer.data() + (first - from), parts_[part].matrix->packed() + (first - entry.offset), last - first);
      if (entry.offset + entry.bytes > to) break;
      ++part;
    }
    const uint64_t skip = from == 0 ? sizeof(Header) : 0;
    sums.push_back(checksum(buffer.data() + skip, to - from - skip));
    if (!put(buffer.data(), to - from, from)) return false;
#ifdef __linux__
    // Start writing now, so that no mountain of dirty pages holds others up later.
    sync_file_range(file, static_cast<off_t>(from), static_cast<off_t>(to - from), SYNC_FILE_RANGE_WRITE);
#endif
  }
  std::vector<uint8_t> tail(key_.begin(), key_.end());
  const auto append = [&](const void* bytes, size_t count) {
    const auto* from = static_cast<const uint8_t*>(bytes);
    tail.insert(tail.end(), from, from + count);
  };
  append(entries.data(), entries.size() * sizeof(StoredEntry));
  append(sums.data(), sums.size() * sizeof(uint64_t));
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.version = kVersion;
  header.tail = end;
  header.file_bytes = end + tail.size();
  header.key_bytes = key_.size();
  header.entries = entries.size();
  header.tail_sum = checksum(tail.data(), tail.size());
  header.header_sum = header_sum(header);
  return put(tail.data(), tail.size(), end) && put(&header, sizeof header, 0) && fdatasync(file) == 0;
}

}  // namespace lanyard::model
