"""Training on the CPU: fresh dialogues all the time, batches of similar length, Muon for matrices, AdamW for the rest."""

import json
import os
import random
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from .corpus import Corpus, corpus_hash
from .model import Llama, Shape
from .tokens import Chat, train_tokenizer

SEED = 20261124
VOCAB = 3584
CHUNK = 16384  # dialogues made at a time
PART_FROM = (9, 13)  # the chunks from which on the training text has the words of part 1, and 2
BATCH_TOKENS = 4096


def part_of(chunk):
    """How many of the later parts' words a chunk has."""
    return sum(chunk >= first for first in PART_FROM)


def make_tokenizer(folder):
    """Trains the tokenizer on a sample of the corpus and every help text. Writes tokenizer.json."""
    corpus = Corpus(SEED)
    texts = []
    for topic in corpus.topics.values():
        texts += [topic[part][language] for part in ("title", "answer") for language in ("en", "zh")] * 20
    for _ in range(60_000):
        texts.append(corpus.first()[0])
    tokenizer = train_tokenizer(texts, VOCAB)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer


def chunk_of(number, chat, seed):
    """The dialogues of one chunk as token ids and weights: a function of the seed and the number alone."""
    corpus = Corpus(seed * 1000 + number, part=part_of(number))
    rng = random.Random(seed * 7919 + number)
    examples = []
    for _ in range(CHUNK):
        system, turns = corpus.dialogue()
        # Most of what is to be learnt is which answer it is, and its first tokens say so. One in ten is learnt to its
        # end, besides the earlier answers of longer dialogues.
        cut = None if rng.random() < 0.1 else rng.choice((4, 6, 9))
        pairs = [(question, corpus.answer(topic, language)) for question, topic, language in turns]
        examples.append(chat.example(system, pairs, cut))
    return examples


def batches_of(examples, seed):
    """Padded batches of about BATCH_TOKENS, of similar length inside, shuffled among themselves."""
    rng = random.Random(seed)
    order = sorted(range(len(examples)), key=lambda i: (len(examples[i][0]), rng.random()))
    batches, batch = [], []
    for i in order:
        batch.append(i)
        if len(examples[i][0]) * (len(batch) + 1) > BATCH_TOKENS:
            batches.append(batch)
            batch = []
    if batch:
        batches.append(batch)
    rng.shuffle(batches)
    for batch in batches:
        longest = max(len(examples[i][0]) for i in batch)
        ids = torch.zeros(len(batch), longest, dtype=torch.long)
        weights = torch.zeros(len(batch), longest)
        for row, i in enumerate(batch):
            ids[row, : len(examples[i][0])] = torch.tensor(examples[i][0])
            weights[row, : len(examples[i][0])] = torch.tensor(examples[i][1])
        yield ids, weights


class Muon(torch.optim.Optimizer):
    """Momentum whose update is made (nearly) orthogonal by Newton-Schulz iterations; equal shapes go together."""

    def __init__(self, params, lr, momentum=0.95, decay=0.01):
        super().__init__(params, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            shapes = {}
            for p in group["params"]:
                shapes.setdefault(p.shape, []).append(p)
            for shape, params in shapes.items():
                updates = []
                for p in params:
                    state = self.state[p]
                    buffer = state.setdefault("momentum", torch.zeros_like(p))
                    buffer.lerp_(p.grad, 1 - group["momentum"])
                    updates.append(p.grad.lerp(buffer, group["momentum"]))
                x = torch.stack(updates).bfloat16()
                tall = shape[0] > shape[1]
                if tall:
                    x = x.mT
                x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
                for _ in range(5):
                    a = x @ x.mT
                    b = -4.7750 * a + 2.0315 * (a @ a)
                    x = 3.4445 * x + b @ x
                if tall:
                    x = x.mT
                scale = max(1.0, shape[0] / shape[1]) ** 0.5
                for p, update in zip(params, x.float()):
                    p.mul_(1 - group["lr"] * group["decay"])
                    p.add_(update, alpha=-group["lr"] * scale)


def train(folder, steps, threads):
    """Trains for `steps`, from the newest checkpoint if there is one. Returns the model and facts for the card."""
    torch.set_num_threads(threads)
    torch.manual_seed(SEED)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    chat = Chat(tokenizer)
    model = Llama(Shape(tokenizer.get_vocab_size()))
    matrices = [p for name, p in model.named_parameters() if p.dim() == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.dim() != 2 or "embed" in name]
    rates = (0.015, 0.003)
    optimizers = [Muon(matrices, rates[0]), torch.optim.AdamW(others, rates[1], betas=(0.9, 0.98), weight_decay=0.0)]
    state = {"step": 0, "chunk": 0, "seconds": 0.0, "tokens": 0, "dialogues": 0}
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists():
        kept = torch.load(checkpoint, weights_only=False)
        model.load_state_dict(kept["model"])
        for optimizer, saved in zip(optimizers, kept["optimizers"]):
            optimizer.load_state_dict(saved)
        state = kept["state"]
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{parameters} parameters, corpus {corpus_hash()[:12]}, from step {state['step']} of {steps}", flush=True)
    log = (folder / "train.log").open("a")
    began, before, smooth = time.time(), state["seconds"], None
    model.train()
    while state["step"] < steps:
        examples = chunk_of(state["chunk"], chat, SEED)
        for ids, weights in batches_of(examples, SEED + state["chunk"]):
            if state["step"] >= steps:
                break
            done = state["step"] / steps
            factor = min(1.0, state["step"] / 50) * min(1.0, max(0.02, (1 - done) / 0.55))
            for optimizer, rate in zip(optimizers, rates):
                for group in optimizer.param_groups:
                    group["lr"] = rate * factor
            with torch.autocast("cpu", torch.bfloat16):
                hidden = model.hidden(ids[:, :-1])
                wanted = weights[:, 1:]
                mask = wanted > 0
                logits = model.logits(hidden[mask])
            losses = F.cross_entropy(logits.float(), ids[:, 1:][mask], reduction="none")
            loss = (losses * wanted[mask]).sum() / wanted[mask].sum()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(others, 1.0)
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            state["step"] += 1
            state["tokens"] += ids.numel()
            state["dialogues"] += len(ids)
            smooth = loss.item() if smooth is None else 0.95 * smooth + 0.05 * loss.item()
            state["seconds"] = before + time.time() - began
            if state["step"] % 20 == 0:
                line = json.dumps({**state, "loss": round(smooth, 4), "rate": round(factor, 3)})
                print(line, flush=True)
                log.write(line + "\n")
        state["chunk"] += 1
        temporary = folder / "checkpoint.tmp"
        torch.save({"model": model.state_dict(), "optimizers": [o.state_dict() for o in optimizers], "state": state}, temporary)
        os.replace(temporary, checkpoint)
    log.close()
    return model, state
