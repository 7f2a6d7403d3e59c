// SequenceStep objects as the words of a step plan.
#include <cmath>
#include <cstring>
#include <random>

#include "../ops/dtype.h"
#include "read.h"

namespace lanyard::node {
namespace {

using engine::Record;

struct Sections {
  std::vector<int32_t> records, tokens, blocks, biases, history;
};

int32_t bits(double value) { return static_cast<int32_t>(ops::float_to_bits(static_cast<float>(value))); }

// A request without a seed gets one, so that all ranks draw alike.
uint64_t random_seed() {
  static std::mt19937_64 generator{(uint64_t{std::random_device{}()} << 32) ^ std::random_device{}()};
  return generator();
}

size_t append(std::vector<int32_t>& section, const Napi::Value& values, const char* name) {
  const std::vector<double> read = numbers(values, name);
  // What is no 32-bit integer becomes -1, which the plan's reader refuses.
  for (const double value : read) section.push_back(std::abs(value) <= 2147483647.0 ? static_cast<int32_t>(value) : -1);
  return read.size();
}

uint64_t seed_of(const Napi::Value& seed) {
  if (!seed.IsNumber()) return random_seed();
  const double value = std::trunc(seed.As<Napi::Number>().DoubleValue());
  return std::abs(value) < 9.2e18 ? static_cast<uint64_t>(static_cast<int64_t>(value)) : 0;
}

void add_sampling(Sections& out, int32_t* record, const Napi::Object& s) {
  record[engine::kSample] = 1;
  record[engine::kTemperature] = bits(number(s, "temperature"));
  record[engine::kTopK] = integer(s, "topK");
  record[engine::kTopP] = bits(number(s, "topP"));
  record[engine::kMinP] = bits(number(s, "minP"));
  record[engine::kRepetitionPenalty] = bits(number(s, "repetitionPenalty"));
  record[engine::kPresencePenalty] = bits(number(s, "presencePenalty"));
  record[engine::kFrequencyPenalty] = bits(number(s, "frequencyPenalty"));
  const uint64_t seed = seed_of(s.Get("seed"));
  record[engine::kSeedLow] = static_cast<int32_t>(seed);
  record[engine::kSeedHigh] = static_cast<int32_t>(seed >> 32);
  record[engine::kLogprobs] = integer(s, "logprobs");
  const Napi::Array biases = list(s, "logitBias");
  for (uint32_t i = 0; i < biases.Length(); ++i) {
    const std::vector<double> pair = numbers(biases.Get(i), "logitBias");
    if (pair.size() != 2) throw Napi::TypeError::New(s.Env(), "logitBias is not a list of [id, bias].");
    out.biases.push_back(static_cast<int32_t>(pair[0]));
    out.biases.push_back(bits(pair[1]));
  }
  record[engine::kBiasCount] = static_cast<int32_t>(biases.Length());
}

void add_sequence(Sections& out, const Napi::Object& o) {
  int32_t record[engine::kRecordWords] = {};
  record[engine::kSlot] = integer(o, "slot");
  record[engine::kTokenCount] = static_cast<int32_t>(append(out.tokens, o.Get("tokens"), "tokens"));
  record[engine::kStart] = integer(o, "start");
  record[engine::kBlockCount] = static_cast<int32_t>(append(out.blocks, o.Get("blocks"), "blocks"));
  record[engine::kRopeAlpha] = bits(number(o, "ropeAlpha"));
  record[engine::kLogprobs] = -1;
  const Napi::Value sample = o.Get("sample");
  if (sample.IsObject()) add_sampling(out, record, sample.As<Napi::Object>());
  const Napi::Value history = o.Get("history");
  if (history.IsObject()) record[engine::kHistoryCount] = static_cast<int32_t>(append(out.history, history, "history"));
  record[engine::kPromptLength] = integer(o, "promptLength");
  record[engine::kDrawn] = integer(o, "drawn");
  out.records.insert(out.records.end(), std::begin(record), std::end(record));
}

}  // namespace

std::vector<std::byte> encode_plan(const Napi::Array& sequences, bool want_logits) {
  Sections out;
  const uint32_t count = sequences.Length();
  for (uint32_t i = 0; i < count; ++i) {
    const Napi::HandleScope scope(sequences.Env());
    add_sequence(out, sequences.Get(i).As<Napi::Object>());
  }
  int32_t header[engine::kHeaderWords] = {};
  header[engine::kMagic] = engine::kPlanMagic;
  header[engine::kKind] = static_cast<int32_t>(engine::Kind::step);
  header[engine::kFlags] = want_logits ? engine::kWantLogits : 0;
  header[engine::kSequences] = static_cast<int32_t>(count);
  header[engine::kTokens] = static_cast<int32_t>(out.tokens.size());
  header[engine::kBlocks] = static_cast<int32_t>(out.blocks.size());
  header[engine::kBiases] = static_cast<int32_t>(out.biases.size() / 2);
  header[engine::kHistories] = static_cast<int32_t>(out.history.size());

  size_t total = engine::kHeaderWords;
  for (const auto* section : {&out.records, &out.tokens, &out.blocks, &out.biases, &out.history}) total += section->size();
  std::vector<std::byte> words(total * sizeof(int32_t));
  std::byte* to = words.data();
  const auto put = [&to](const int32_t* values, size_t n) {
    if (n > 0) std::memcpy(to, values, n * sizeof(int32_t));
    to += n * sizeof(int32_t);
  };
  put(header, engine::kHeaderWords);
  for (const auto* section : {&out.records, &out.tokens, &out.blocks, &out.biases, &out.history}) put(section->data(), section->size());
  return words;
}

engine::Sampling read_sampling(const Napi::Object& s) {
  engine::Sampling out;
  out.temperature = static_cast<float>(number(s, "temperature"));
  out.top_k = integer(s, "topK");
  out.top_p = static_cast<float>(number(s, "topP"));
  out.min_p = static_cast<float>(number(s, "minP"));
  out.repetition = static_cast<float>(number(s, "repetitionPenalty"));
  out.presence = static_cast<float>(number(s, "presencePenalty"));
  out.frequency = static_cast<float>(number(s, "frequencyPenalty"));
  out.seed = seed_of(s.Get("seed"));
  out.logprobs = integer(s, "logprobs");
  return out;
}

}  // namespace lanyard::node
