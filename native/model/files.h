// Tensors in files: memory maps and the byte extents of a tensor. Knows no file format.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "spec.h"

namespace lanyard::model {

class MappedFile {
 public:
  // Throws Error not_found or shard_failed.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const uint8_t* data() const { return data_; }
  uint64_t size() const { return size_; }
  // The pages may be dropped from memory; reading them again is still right.
  void forget() const;

 private:
  const uint8_t* data_ = nullptr;
  uint64_t size_ = 0;
};

class Files {
 public:
  std::shared_ptr<const MappedFile> open(const std::string& path);
  void forget() const;

 private:
  std::map<std::string, std::shared_ptr<const MappedFile>> files_;
};

// First byte of an extent. Throws Error weights_truncated when it ends behind its file; `what` names the tensor.
const uint8_t* locate(const Extent& extent, const MappedFile& file, const std::string& what);

// The bytes of a tensor, extents one below the other, read as rows. Keeps its files mapped.
class FileRows final : public ops::RowSource {
 public:
  // Throws Error weights_truncated when an extent ends behind its file, weights_mismatch when the extents do not hold
  // rows * cols values or a matrix stored by columns has several of them.
  FileRows(const TensorSource& tensor, Files& files);
  void read(size_t row, void* out) const override;

 private:
  void read_column_wise(size_t row, void* out) const;

  struct Piece {
    uint64_t first;  // offset of the extent's first byte in the tensor
    const uint8_t* data;
    uint64_t row_bytes, stride, bytes;
  };
  std::vector<Piece> pieces_;
  Stored stored_;
  std::vector<std::shared_ptr<const MappedFile>> files_;
};

// "layer 3 attn_qkv" for messages.
std::string describe(const TensorSource& tensor);

}  // namespace lanyard::model
