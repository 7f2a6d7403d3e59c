#include "read.h"

#include <cmath>

namespace lanyard::node {
namespace {

[[noreturn]] void refuse(const Napi::Env& env, const std::string& name, const char* kind) {
  throw Napi::TypeError::New(env, name + " is not " + kind + ".");
}

ops::DType dtype_of(const Napi::Object& object, const char* name) {
  const std::string value = text(object, name);
  if (value == "f32") return ops::DType::f32;
  if (value == "f16") return ops::DType::f16;
  if (value == "bf16") return ops::DType::bf16;
  refuse(object.Env(), name, "f32, f16 or bf16");
}

ops::DType kv_dtype_of(const Napi::Object& kv) {
  const std::string value = text(kv, "dtype");
  if (value == "f32") return ops::DType::f32;
  if (value == "bf16") return ops::DType::bf16;
  if (value == "int8") return ops::DType::i8;
  refuse(kv.Env(), "kv.dtype", "f32, bf16 or int8");
}

bool given(const Napi::Object& object, const char* name) { return object.Has(name) && !object.Get(name).IsUndefined(); }

// Absent: false.
bool flag(const Napi::Object& object, const char* name) { return given(object, name) && boolean(object, name); }

std::vector<int> integers(const Napi::Object& object, const char* name) {
  const auto values = numbers(object.Get(name), name);
  return {values.begin(), values.end()};
}

std::vector<bool> booleans(const Napi::Object& object, const char* name) {
  const Napi::Array values = list(object, name);
  std::vector<bool> out;
  for (uint32_t i = 0; i < values.Length(); ++i) out.push_back(values.Get(i).ToBoolean());
  return out;
}

model::DecoderSpec read_decoder(const Napi::Object& o) {
  model::DecoderSpec d;
  d.family = text(o, "family");
  d.hidden = integer(o, "hidden");
  d.layers = integer(o, "layers");
  d.query_heads = integer(o, "queryHeads");
  d.kv_heads = integer(o, "kvHeads");
  d.head_dim = integer(o, "headDim");
  d.ffn = integer(o, "ffn");
  d.vocab = integer(o, "vocab");
  d.vocab_used = integer(o, "vocabUsed");
  d.context = integer(o, "context");
  d.norm_eps = static_cast<float>(number(o, "normEps"));
  d.norm_plus_one = boolean(o, "normPlusOne");
  const std::string activation = text(o, "activation");
  if (activation == "silu") d.activation = ops::Activation::silu;
  else if (activation == "gelu_tanh") d.activation = ops::Activation::gelu_tanh;
  else if (activation == "swiglu_clamped") d.activation = ops::Activation::swiglu_clamped;
  else refuse(o.Env(), "activation", "silu, gelu_tanh or swiglu_clamped");
  if (d.activation == ops::Activation::swiglu_clamped) {
    const Napi::Object clamp = child(o, "clamp");
    d.clamp = {static_cast<float>(number(clamp, "alpha")), static_cast<float>(number(clamp, "limit"))};
  }
  d.embed_scale = static_cast<float>(number(o, "embedScale"));
  d.attention_scale = static_cast<float>(number(o, "attentionScale"));
  d.attention_softcap = static_cast<float>(number(o, "attentionSoftcap"));
  d.logit_softcap = static_cast<float>(number(o, "logitSoftcap"));
  d.qk_norm = boolean(o, "qkNorm");
  const Napi::Array ropes = list(o, "ropes");
  for (uint32_t i = 0; i < ropes.Length(); ++i) {
    const Napi::Object rope = ropes.Get(i).As<Napi::Object>();
    const auto frequencies = numbers(rope.Get("invFreq"), "invFreq");
    d.ropes.push_back({{frequencies.begin(), frequencies.end()}, integer(rope, "dim"),
                       static_cast<float>(number(rope, "attentionFactor")), number(rope, "theta"), flag(rope, "interleaved")});
  }
  d.layer_rope = integers(o, "layerRope");
  d.layer_window = integers(o, "layerWindow");
  d.logn_length = integer(o, "lognLength");
  if (given(o, "latent")) {
    const Napi::Object l = child(o, "latent");
    d.latent = {integer(l, "rank"), integer(l, "queryRank"), integer(l, "plain"), integer(l, "value"),
                static_cast<float>(number(l, "normEps"))};
  }
  d.experts = integer(o, "experts");
  d.experts_per_token = integer(o, "expertsPerToken");
  d.experts_normalise = boolean(o, "expertsNormalise");
  if (given(o, "routing")) {
    const Napi::Object r = child(o, "routing");
    d.routing = {boolean(r, "sigmoid"), integer(r, "groups"), integer(r, "groupsUsed"), integer(r, "groupBest"),
                 static_cast<float>(number(r, "factor"))};
  }
  d.layer_moe = booleans(o, "layerMoe");
  return d;
}

model::Range read_range(const Napi::Object& split, const char* name) {
  const Napi::Object range = child(split, name);
  return {integer(range, "start"), integer(range, "count")};
}

uint64_t unsigned_of(const Napi::Object& object, const char* name) {
  const double value = number(object, name);
  if (!(value >= 0 && value <= 9007199254740992.0)) refuse(object.Env(), name, "a size");
  return static_cast<uint64_t>(value);
}

std::vector<model::Extent> read_extents(const Napi::Object& o, const char* name) {
  std::vector<model::Extent> out;
  const Napi::Array extents = list(o, name);
  for (uint32_t i = 0; i < extents.Length(); ++i) {
    const Napi::Object e = extents.Get(i).As<Napi::Object>();
    out.push_back({text(e, "file"), unsigned_of(e, "offset"), unsigned_of(e, "rows"), unsigned_of(e, "rowBytes"),
                   unsigned_of(e, "stride")});
  }
  return out;
}

template <class E, size_t N>
E one_of(const Napi::Object& o, const char* name, const char* const (&names)[N], const char* kind) {
  const std::string value = text(o, name);
  for (size_t i = 0; i < N; ++i) {
    if (value == names[i]) return static_cast<E>(i);
  }
  refuse(o.Env(), value, kind);
}

model::PackedPiece read_packed(const Napi::Object& o) {
  model::PackedPiece p;
  p.encoding = one_of<model::Encoding>(o, "encoding", model::kEncodingNames, "an encoding this engine knows");
  p.rows = unsigned_of(o, "rows");
  const Napi::Object skip = child(o, "skip"), group = child(o, "group");
  p.skip_rows = unsigned_of(skip, "rows");
  p.skip_cols = unsigned_of(skip, "cols");
  p.group_rows = unsigned_of(group, "rows");
  p.group_cols = unsigned_of(group, "cols");
  p.values = read_extents(o, "values");
  p.scale_type = one_of<model::ScaleType>(o, "scaleType", model::kScaleTypeNames, "a scale type this engine knows");
  p.scales = read_extents(o, "scales");
  p.zeros = read_extents(o, "zeros");
  p.zero_offset = integer(o, "zeroOffset");
  p.column_groups = read_extents(o, "columnGroups");
  return p;
}

model::TensorSource read_tensor(const Napi::Object& o) {
  model::TensorSource t;
  t.role = one_of<model::Role>(o, "role", model::kRoleNames, "a tensor role this engine knows");
  t.layer = integer(o, "layer");
  t.expert = integer(o, "expert");
  t.dtype = dtype_of(o, "dtype");
  t.rows = unsigned_of(o, "rows");
  t.cols = unsigned_of(o, "cols");
  t.extents = read_extents(o, "extents");
  if (o.Has("packed") && !o.Get("packed").IsUndefined()) {
    const Napi::Array packed = list(o, "packed");
    for (uint32_t i = 0; i < packed.Length(); ++i) t.packed.push_back(read_packed(packed.Get(i).As<Napi::Object>()));
  }
  if (o.Has("stored") && !o.Get("stored").IsUndefined()) {
    const std::string stored = text(o, "stored");
    if (stored == "columns") t.stored = model::Stored::columns;
    else if (stored == "paired_columns") t.stored = model::Stored::paired_columns;
    else refuse(o.Env(), "stored", "columns or paired_columns");
  }
  return t;
}

model::WeightType read_weight_type(const Napi::Object& o) {
  const std::string name = text(o, "weights");
  if (name == "stored") return model::WeightType::stored;
  if (name == "f32") return model::WeightType::f32;
  if (name == "bf16") return model::WeightType::bf16;
  if (name == "int8") return model::WeightType::i8;
  if (name == "int4") return model::WeightType::i4;
  if (name == "int4:64") return model::WeightType::i4x64;
  if (name == "int4:128") return model::WeightType::i4x128;
  refuse(o.Env(), "weights", "stored, f32, bf16, int8 or int4");
}

}  // namespace

double number(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsNumber()) refuse(object.Env(), name, "a number");
  return value.As<Napi::Number>().DoubleValue();
}

int integer(const Napi::Object& object, const char* name) {
  const double value = number(object, name);
  if (!(value >= -2147483648.0 && value <= 2147483647.0) || value != std::trunc(value)) refuse(object.Env(), name, "a 32-bit integer");
  return static_cast<int>(value);
}

bool boolean(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsBoolean()) refuse(object.Env(), name, "a boolean");
  return value.As<Napi::Boolean>().Value();
}

std::string text(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsString()) refuse(object.Env(), name, "a string");
  return value.As<Napi::String>().Utf8Value();
}

Napi::Object child(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsObject()) refuse(object.Env(), name, "an object");
  return value.As<Napi::Object>();
}

Napi::Array list(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsArray()) refuse(object.Env(), name, "an array");
  return value.As<Napi::Array>();
}

std::vector<double> numbers(const Napi::Value& value, const char* name) {
  if (!value.IsObject()) refuse(value.Env(), name, "an array of numbers");
  std::vector<double> out;
  if (value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_int32_array) {
    const auto typed = value.As<Napi::Int32Array>();
    return {typed.Data(), typed.Data() + typed.ElementLength()};
  }
  const Napi::Object array = value.As<Napi::Object>();
  // Anything with a length may come; no memory is set aside for what may not be there.
  const int length = integer(array, "length");
  for (int i = 0; i < length; ++i) {
    const Napi::Value item = array.Get(static_cast<uint32_t>(i));
    if (!item.IsNumber()) refuse(value.Env(), name, "an array of numbers");
    out.push_back(item.As<Napi::Number>().DoubleValue());
  }
  return out;
}

model::EngineSpec read_spec(const Napi::Object& o) {
  model::EngineSpec spec;
  spec.decoder = read_decoder(child(o, "decoder"));
  const Napi::Object split = child(o, "split");
  spec.split = {read_range(split, "queryHeads"), read_range(split, "kvHeads"), read_range(split, "ffn"),
                read_range(split, "vocab")};
  const Napi::Array tensors = list(o, "tensors");
  for (uint32_t i = 0; i < tensors.Length(); ++i) spec.tensors.push_back(read_tensor(tensors.Get(i).As<Napi::Object>()));
  spec.weights = read_weight_type(o);
  if (o.Has("compute")) {
    const std::string compute = text(o, "compute");
    if (compute != "exact" && compute != "fast") refuse(o.Env(), "compute", "exact or fast");
    spec.compute = compute == "fast" ? ops::Compute::fast : ops::Compute::exact;
  } else {
    spec.compute = ops::Compute::fast;
  }
  const Napi::Object kv = child(o, "kv");
  spec.kv = {0, integer(kv, "blocks"), integer(kv, "blockSize"), kv_dtype_of(kv)};
  spec.max_step_tokens = integer(o, "maxStepTokens");
  spec.max_sequences = integer(o, "maxSequences");
  const Napi::Object device = child(o, "device");
  spec.cuda = text(device, "kind") == "cuda";
  spec.device = integer(device, "index");
  spec.threads = integer(device, "threads");
  if (o.Has("prepacked") && !o.Get("prepacked").IsUndefined()) {
    const Napi::Object prepacked = child(o, "prepacked");
    spec.prepacked = {text(prepacked, "file"), text(prepacked, "key")};
  }
  return spec;
}

}  // namespace lanyard::node
