"""From a checkpoint to the folder that ships: safetensors, config, tokenizer files, and the card."""

import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from .corpus import corpus_hash
from .model import Llama, Shape
from .tokens import SPECIALS, TEMPLATE, Chat

HERE = Path(__file__).resolve().parent
# Texts whose tokens a test compares with what the app's tokenizer makes of them.
OTHER_TEXTS = ["lanyard machines add user@host", "それは何ですか 🙂 Ünïcödé", "DON'T you'll we've 3.14", "繁體字與简体字，混在一起"]


def config_of(shape, tokenizer):
    end, start = tokenizer.token_to_id("<|im_end|>"), tokenizer.token_to_id("<|im_start|>")
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "torch_dtype": "bfloat16",
        "vocab_size": shape.vocab,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.ffn,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.hidden // shape.heads,
        "hidden_act": "silu",
        "rms_norm_eps": shape.eps,
        "rope_theta": shape.rope_theta,
        "rope_scaling": None,
        "max_position_embeddings": shape.context,
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": start,
        "eos_token_id": end,
        "pad_token_id": tokenizer.token_to_id("<|endoftext|>"),
        "initializer_range": 0.02,
        "use_cache": True,
    }


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def export(work, out):
    """Writes the model folder from the newest checkpoint."""
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    kept = torch.load(work / "checkpoint.pt", weights_only=False, map_location="cpu")
    shape = Shape(tokenizer.get_vocab_size())
    model = Llama(shape)
    model.load_state_dict(kept["model"])
    out.mkdir(parents=True, exist_ok=True)
    tensors = {name: p.detach().to(torch.bfloat16).contiguous() for name, p in model.named_parameters()}
    save_file(tensors, str(out / "model.safetensors"), metadata={"format": "pt"})
    (out / "model.safetensors").chmod(0o644)
    write_json(out / "config.json", config_of(shape, tokenizer))
    tokenizer.save(str(out / "tokenizer.json"), pretty=False)
    samples = ["Hello! How do I add a machine?", "怎么添加机器？Naïve café — 8317端口，ok~", "  two  spaces\n\nnew line\t!", *OTHER_TEXTS]
    write_json(HERE.parent / "evaluation" / "tokens.json", {text: tokenizer.encode(text, add_special_tokens=False).ids for text in samples})
    write_json(
        out / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": None,
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "additional_special_tokens": SPECIALS,
            "add_bos_token": False,
            "clean_up_tokenization_spaces": False,
            "model_max_length": shape.context,
            "chat_template": TEMPLATE,
        },
    )
    ends = [tokenizer.token_to_id("<|im_end|>"), tokenizer.token_to_id("<|endoftext|>")]
    write_json(
        out / "generation_config.json",
        {"do_sample": True, "temperature": 0.3, "top_p": 0.95, "eos_token_id": ends, "pad_token_id": ends[1], "max_new_tokens": 256},
    )
    size = sum(path.stat().st_size for path in out.iterdir())
    print(f"{out}: {sum(t.numel() for t in tensors.values())} parameters, {size} bytes, step {kept['state']['step']}")


def load(folder):
    """The exported model as a function of (temperature, seed) giving ask([[(role, text), …], …]) → answers."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    shape = Shape(
        config["vocab_size"], config["hidden_size"], config["num_hidden_layers"], config["num_attention_heads"],
        config["num_key_value_heads"], config["intermediate_size"], config["max_position_embeddings"], config["rope_theta"], config["rms_norm_eps"],
    )
    model = Llama(shape)
    model.load_state_dict(load_file(str(folder / "model.safetensors")))
    model.float().eval()
    chat = Chat(tokenizer)

    def with_settings(temperature, seed):
        generator = torch.Generator().manual_seed(seed)

        def ask(conversations):
            """Answers to several conversations; those with prompts of one length are answered together."""
            prompts = [chat.prompt(turns) for turns in conversations]
            by_length = {}
            for index, prompt in enumerate(prompts):
                by_length.setdefault(len(prompt), []).append(index)
            answers = [""] * len(prompts)
            for length in sorted(by_length):
                rows = by_length[length]
                made = model.generate([prompts[i] for i in rows], chat.end, 160, temperature, generator)
                for i, ids in zip(rows, made):
                    answers[i] = tokenizer.decode(ids)
            return answers

        return ask

    return with_settings


def table(rates):
    """Markdown rows of one result: language, in scope, refused."""
    rows = []
    for name, by_language in rates.items():
        if name == "dialogues kept":
            continue
        for language, cells in sorted(by_language.items()):
            shown = [f"{right} of {of} ({100 * right / of:.1f} %)" for right, of in (cells["inside"], cells["outside"])]
            rows.append(f"| {name} | {'English' if language == 'en' else 'Chinese'} | {shown[0]} | {shown[1]} |")
    return rows


def write_card(work, out):
    """README.md of the model folder: what it is, how it was made, what it scored, and the hashes a test checks."""
    state = torch.load(work / "checkpoint.pt", weights_only=False, map_location="cpu")["state"]
    weights = out / "model.safetensors"
    parameters = sum(t.numel() for t in load_file(str(weights)).values())
    results_file = HERE.parent / "evaluation" / "results.json"
    results = json.loads(results_file.read_text(encoding="utf-8")) if results_file.exists() else None
    served = HERE.parent / "evaluation" / "served.md"
    text = f"""---
language: [en, zh]
license: apache-2.0
---

# Lanyard Guide

A tiny chat model that comes with Lanyard, so that the first chat needs no download. It answers questions about using
Lanyard in English and Chinese with the app's own help texts, and says so when a question is about anything else.

**It is not a general assistant.** It has {parameters / 1e6:.1f} million parameters, knows nothing but those help texts, can pick
the wrong one, and can be led astray. Add a model to talk about anything else.

## Facts

- Architecture: Llama, 5 layers, hidden size 256, 8 query heads over 4 KV heads, feed-forward width 512, tied embeddings,
  context 2048; {parameters} parameters in bf16, {weights.stat().st_size / 1e6:.2f} MB.
- Tokenizer: its own byte-level BPE, 3584 tokens, trained on the same text; ChatML template.
- Training text: dialogues drawn by `build/guide-model/` from `renderer/help/topics.json` and grammars and questions of the project's own
  writing. No other text.
- Training: {state['dialogues']} dialogues, {state['tokens'] / 1e6:.1f} million tokens (padding included), {state['step']} steps on one CPU core,
  {state['seconds'] / 60:.0f} minutes by the clock, other work beside it; PyTorch, bf16 autocast, fixed seed. bf16 kernels differ
  between CPUs and the last bits of sums with them, so training again gives a like model, not the same bytes.
- corpus hash: `{corpus_hash()}`
- weights hash: `{hashlib.sha256(weights.read_bytes()).hexdigest()}`

## Evaluation

"""
    if results is None:
        text += "Not evaluated: an intermediate state of the training, for trying out the app. Many of its answers are wrong.\n"
    else:
        kept, of = results["dialogues kept"]
        count = sum(cells[kind][1] for cells in results["greedy"].values() for kind in cells)
        text += f"""{count} questions written apart from the training text, none of which occurs in the training text; the rule, and how it can
be fooled, is in `build/guide-model/evaluation/README.md`. The weights as exported (bf16), run by the evaluation script.

| decoding | language | in scope answered right | out of scope refused |
| --- | --- | --- | --- |
{chr(10).join(table(results))}

Dialogues in which every turn is answered right: {kept} of {of}.

The aim is 90 %. Questions in words that the training text does not have are sometimes answered with another topic's help text.
"""
    if served.exists():
        text += "\n" + served.read_text(encoding="utf-8")
    (out / "README.md").write_text(text, encoding="utf-8")
