#include "files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "../error.h"

namespace lanyard::model {

MappedFile::MappedFile(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    throw Error(errno == ENOENT ? "not_found" : "shard_failed", path + " cannot be opened: " + std::strerror(errno) + ".");
  }
  struct stat info {};
  fstat(fd, &info);
  size_ = static_cast<uint64_t>(info.st_size);
  void* data = size_ > 0 ? mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0) : nullptr;
  const int failure = errno;
  ::close(fd);
  if (data == MAP_FAILED) throw Error("shard_failed", path + " cannot be mapped: " + std::strerror(failure) + ".");
  data_ = static_cast<const uint8_t*>(data);
}

MappedFile::~MappedFile() {
  if (data_) munmap(const_cast<uint8_t*>(data_), size_);
}

void MappedFile::forget() const {
  if (data_) madvise(const_cast<uint8_t*>(data_), size_, MADV_DONTNEED);
}

std::shared_ptr<const MappedFile> Files::open(const std::string& path) {
  auto& file = files_[path];
  if (!file) file = std::make_shared<const MappedFile>(path);
  return file;
}

void Files::forget() const {
  for (const auto& [path, file] : files_) file->forget();
}

std::string describe(const TensorSource& tensor) {
  std::string text = kRoleNames[static_cast<int>(tensor.role)];
  if (tensor.layer >= 0) text += " of layer " + std::to_string(tensor.layer);
  if (tensor.expert >= 0) text += ", expert " + std::to_string(tensor.expert);
  return text;
}

const uint8_t* locate(const Extent& extent, const MappedFile& file, const std::string& what) {
  // 2^50 bytes is beyond any file: the products below cannot overflow.
  constexpr uint64_t kLargest = uint64_t{1} << 50;
  const bool sane = extent.rows > 0 && extent.row_bytes > 0 && extent.offset < kLargest && extent.row_bytes < kLargest &&
                    extent.stride < kLargest && extent.rows <= kLargest / std::max(extent.row_bytes, extent.stride);
  const uint64_t end = sane ? extent.offset + (extent.rows - 1) * extent.stride + extent.row_bytes : 0;
  if (sane && end <= file.size()) return file.data() + extent.offset;
  throw Error("weights_truncated", extent.file + " has " + std::to_string(file.size()) + " bytes, but " + what +
                                       " needs it to reach " +
                                       (sane ? std::to_string(end) : std::string("an impossible length")) + ".");
}

FileRows::FileRows(const TensorSource& tensor, Files& files) : stored_(tensor.stored) {
  dtype = tensor.dtype;
  rows = tensor.rows;
  cols = tensor.cols;
  uint64_t total = 0;
  for (const Extent& extent : tensor.extents) {
    if (extent.rows == 0 || extent.row_bytes == 0) continue;
    auto file = files.open(extent.file);
    const uint8_t* data = locate(extent, *file, describe(tensor));
    const uint64_t bytes = extent.rows * extent.row_bytes;
    if (extent.stride == extent.row_bytes) {
      pieces_.push_back({total, data, bytes, bytes, bytes});
    } else {
      pieces_.push_back({total, data, extent.row_bytes, extent.stride, bytes});
    }
    total += bytes;
    files_.push_back(std::move(file));
  }
  if (total != rows * cols * ops::stored_bytes(dtype)) {
    throw Error("weights_mismatch", describe(tensor) + " should be [" + std::to_string(rows) + ", " +
                                        std::to_string(cols) + "] of " + ops::dtype_name(dtype) + ", but its extents hold " +
                                        std::to_string(total) + " bytes.");
  }
  if (stored_ == Stored::rows || pieces_.empty()) return;
  Piece& all = pieces_.front();
  const uint64_t column = rows * ops::stored_bytes(dtype);
  if (all.stride == all.row_bytes) all.row_bytes = all.stride = column;
  if (pieces_.size() != 1 || all.row_bytes != column || (stored_ == Stored::paired_columns && rows % 2 != 0)) {
    throw Error("weights_mismatch", describe(tensor) + " is stored by columns, but not in one piece of whole columns.");
  }
}

void FileRows::read_column_wise(size_t row, void* out) const {
  const Piece& all = pieces_.front();
  if (stored_ == Stored::paired_columns) row = row < rows / 2 ? 2 * row : 2 * (row - rows / 2) + 1;
  const size_t size = ops::stored_bytes(dtype);
  const uint8_t* from = all.data + row * size;
  auto* to = static_cast<uint8_t*>(out);
  if (size == 2) {
    for (size_t c = 0; c < cols; ++c) std::memcpy(to + 2 * c, from + c * all.stride, 2);
  } else {
    for (size_t c = 0; c < cols; ++c) std::memcpy(to + 4 * c, from + c * all.stride, 4);
  }
}

void FileRows::read(size_t row, void* out) const {
  if (stored_ != Stored::rows) return read_column_wise(row, out);
  uint64_t left = cols * ops::stored_bytes(dtype), at = row * left;
  auto* to = static_cast<uint8_t*>(out);
  auto piece = std::upper_bound(pieces_.begin(), pieces_.end(), at,
                                [](uint64_t offset, const Piece& p) { return offset < p.first; }) - 1;
  while (left > 0) {
    const uint64_t inside = at - piece->first, line = inside / piece->row_bytes, skip = inside % piece->row_bytes;
    const uint64_t count = std::min(left, piece->row_bytes - skip);
    std::memcpy(to, piece->data + line * piece->stride + skip, count);
    to += count;
    at += count;
    left -= count;
    if (at == piece->first + piece->bytes) ++piece;
  }
}

}  // namespace lanyard::model
