// Packed weights kept in a file: what is read is what was packed, and nothing else is ever taken for it.
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <thread>

#include "../model/prepacked.h"
#include "check.h"

using namespace lanyard;
using check::Random;

namespace {

struct Values final : ops::RowSource {
  Values(size_t row_count, size_t col_count, Random& random) : values(random.reals(row_count * col_count)) {
    rows = row_count;
    cols = col_count;
  }
  void read(size_t row, void* out) const override { std::memcpy(out, values.data() + row * cols, cols * sizeof(float)); }
  std::vector<float> values;
};

struct Kept {
  model::PrepackedPlace place;
  ops::DType dtype;
  ops::RowOrder order;
  std::unique_ptr<ops::Matrix> matrix;
};

std::vector<uint8_t> bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void put_bytes(const std::string& path, const std::vector<uint8_t>& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc).write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

bool exists(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0;
}

void keep(const std::string& path, const std::string& key, const std::vector<Kept>& matrices) {
  std::vector<model::PrepackedPart> parts;
  for (const Kept& kept : matrices) parts.push_back({kept.place, kept.matrix.get()});
  model::PrepackedWriter writer(path, key, std::move(parts));
  for (int i = 0; i < 2000 && !exists(path); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

}  // namespace

int main() {
  char folder[] = "/tmp/lanyard-packed-XXXXXX";
  if (!mkdtemp(folder)) return 1;
  const std::string path = std::string(folder) + "/weights.packed";
  auto cpu = ops::make_cpu_ops(2);
  const std::string key = cpu->layout() + "\nthese";
  Random random(3);
  std::vector<Kept> matrices;
  auto add = [&](model::Role role, int layer, int expert, size_t rows, size_t cols, ops::DType dtype, ops::RowOrder order) {
    matrices.push_back({{role, layer, expert}, dtype, order, cpu->pack(Values(rows, cols, random), dtype, order)});
  };
  // One spans several chunks of 8 MiB; odd sizes leave padding.
  add(model::Role::lm_head, -1, -1, 2300, 2048, ops::DType::f32, ops::RowOrder::plain);
  add(model::Role::ffn_gate_up, 0, -1, 86, 75, ops::DType::i8, ops::RowOrder::gated);
  add(model::Role::ffn_down, 0, -1, 75, 43, ops::DType::i4, ops::RowOrder::plain);
  add(model::Role::expert_down, 1, 7, 17, 33, ops::DType::bf16, ops::RowOrder::plain);
  add(model::Role::attn_o, 1, -1, 1, 1, ops::DType::f16, ops::RowOrder::plain);

  check::section("a layout has one name per process, another process's included", [&] {
    CHECK(!cpu->layout().empty());
    CHECK(cpu->layout() == ops::make_cpu_ops(1)->layout());
  });

  check::section("what was kept comes back, byte by byte, and multiplies the same", [&] {
    keep(path, key, matrices);
    CHECK(exists(path) && !exists(path + ".partial"));
    for (int threads : {1, 3}) {
      const auto file = model::PrepackedFile::open(path, key, threads);
      CHECK(file != nullptr);
      if (!file) return;
      CHECK(!file->find({model::Role::lm_head, 0, -1}));
      for (const Kept& kept : matrices) {
        const auto* entry = file->find(kept.place);
        CHECK(entry != nullptr);
        if (!entry) continue;
        const ops::Matrix& m = *kept.matrix;
        CHECK(entry->rows == m.rows && entry->cols == m.cols && entry->bytes == m.bytes);
        CHECK(std::memcmp(file->data(*entry), m.packed(), m.bytes) == 0);
        const auto again = cpu->adopt({m.rows, m.cols, kept.dtype, kept.order, 0, {}, file->data(*entry), entry->bytes, file});
        CHECK(again != nullptr);
        CHECK(!cpu->adopt({m.rows + 32, m.cols, kept.dtype, kept.order, 0, {}, file->data(*entry), entry->bytes, file}));
        if (!again || kept.order == ops::RowOrder::gated) continue;
        const size_t in = ops::padded_width(m.cols), out = ops::padded_width(m.rows);
        std::vector<float> x(in), first(out), second(out);
        for (size_t i = 0; i < m.cols; ++i) x[i] = random.real();
        cpu->linear({{x.data(), in}, {}, kept.matrix.get(), nullptr, {first.data(), out}, 1});
        cpu->linear({{x.data(), in}, {}, again.get(), nullptr, {second.data(), out}, 1});
        CHECK(first == second);
      }
    }
  });

  check::section("the same matrices always give the same file", [&] {
    const auto before = bytes_of(path);
    unlink(path.c_str());
    keep(path, key, matrices);
    CHECK(bytes_of(path) == before);
  });

  check::section("another key, and any change of the file, is noticed", [&] {
    const auto sound = bytes_of(path);
    CHECK(sound.size() > (size_t{16} << 20));
    CHECK(!model::PrepackedFile::open(path, key + "!", 2));
    CHECK(!model::PrepackedFile::open(path, cpu->layout() + "\nthose", 2));
    CHECK(!model::PrepackedFile::open(path + ".none", key, 2));
    std::vector<size_t> places{0, 8, 16, 24, 32, 40, 48, 56, 63, 64, 4095, 4096, size_t{8} << 20, (size_t{8} << 20) - 1, sound.size() - 1};
    for (int i = 0; i < 40; ++i) places.push_back(random.below(static_cast<int>(sound.size())));
    for (int i = 0; i < 20; ++i) places.push_back(sound.size() - 1 - random.below(500));
    for (const size_t place : places) {
      std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
      file.seekp(static_cast<std::streamoff>(place));
      file.put(static_cast<char>(sound[place] ^ (1 << random.below(8))));
      file.close();
      CHECK(!model::PrepackedFile::open(path, key, 2), "byte %zu of %zu", place, sound.size());
      file.open(path, std::ios::binary | std::ios::in | std::ios::out);
      file.seekp(static_cast<std::streamoff>(place));
      file.put(static_cast<char>(sound[place]));
    }
    CHECK(model::PrepackedFile::open(path, key, 2) != nullptr);
    for (const size_t size : {size_t{0}, size_t{63}, size_t{64}, sound.size() / 2, sound.size() - 1}) {
      CHECK(truncate(path.c_str(), static_cast<off_t>(size)) == 0);
      CHECK(!model::PrepackedFile::open(path, key, 2), "%zu bytes", size);
    }
    auto longer = sound;
    longer.push_back(0);
    put_bytes(path, longer);
    CHECK(!model::PrepackedFile::open(path, key, 2));
  });

  check::section("a writer that is stopped early leaves nothing, and one that cannot write does no harm", [&] {
    const std::string other = std::string(folder) + "/other.packed";
    {
      std::vector<model::PrepackedPart> parts;
      for (int copy = 0; copy < 40; ++copy) parts.push_back({{model::Role::lm_head, copy, -1}, matrices[0].matrix.get()});
      model::PrepackedWriter writer(other, key, std::move(parts));
    }
    CHECK(!exists(other) && !exists(other + ".partial"));
    keep(std::string(folder) + "/no/such/folder.packed", key, {});
    std::ofstream(other + ".partial") << "left by a process that was killed";
    keep(other, key, matrices);
    CHECK(model::PrepackedFile::open(other, key, 1) != nullptr);
    unlink(other.c_str());
  });

  unlink(path.c_str());
  rmdir(folder);
  return check::result();
}
