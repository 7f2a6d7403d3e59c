"""A Llama decoder in plain PyTorch, with the tensor names of a Hugging Face checkpoint."""

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class Shape:
    vocab: int
    hidden: int = 256
    layers: int = 5
    heads: int = 8
    kv_heads: int = 4
    # 512 columns are 16 groups of 32: uneven on three ranks.
    ffn: int = 512
    context: int = 2048
    rope_theta: float = 10000.0
    eps: float = 1e-5

    def asdict(self):
        return asdict(self)


class Norm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        y = F.rms_norm(x.float(), self.weight.shape, self.weight, self.eps)
        # What follows is matrix products: one cast here instead of one in each of them.
        return y.to(torch.bfloat16) if torch.is_autocast_enabled("cpu") else y


class Attention(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.s, self.dim = s, s.hidden // s.heads
        self.q_proj = nn.Linear(s.hidden, s.heads * self.dim, bias=False)
        self.k_proj = nn.Linear(s.hidden, s.kv_heads * self.dim, bias=False)
        self.v_proj = nn.Linear(s.hidden, s.kv_heads * self.dim, bias=False)
        self.o_proj = nn.Linear(s.heads * self.dim, s.hidden, bias=False)

    def forward(self, x, rope, past):
        batch, length, _ = x.shape
        q = self.q_proj(x).view(batch, length, -1, self.dim).transpose(1, 2)
        k = self.k_proj(x).view(batch, length, -1, self.dim).transpose(1, 2)
        v = self.v_proj(x).view(batch, length, -1, self.dim).transpose(1, 2)
        q, k = rotate(q, rope), rotate(k, rope)
        if past is not None:
            if past:
                k, v = torch.cat((past[0], k), 2), torch.cat((past[1], v), 2)
            past[:] = [k, v]
        k, v = (t.repeat_interleave(self.s.heads // self.s.kv_heads, 1) for t in (k, v))
        # Written out: for many short sequences the fused kernel takes longer on a CPU.
        scores = (q @ k.transpose(-1, -2)).float() * self.dim**-0.5
        if length > 1:
            scores = scores.masked_fill(torch.ones(length, length, dtype=torch.bool).triu(1), float("-inf"))
        y = torch.softmax(scores, -1).to(v.dtype) @ v
        return self.o_proj(y.transpose(1, 2).reshape(batch, length, -1))


def rotate(x, rope):
    cos, sin = rope
    a, b = x.float().chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1).to(x.dtype)


class Mlp(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.gate_proj = nn.Linear(s.hidden, s.ffn, bias=False)
        self.up_proj = nn.Linear(s.hidden, s.ffn, bias=False)
        self.down_proj = nn.Linear(s.ffn, s.hidden, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.input_layernorm = Norm(s.hidden, s.eps)
        self.self_attn = Attention(s)
        self.post_attention_layernorm = Norm(s.hidden, s.eps)
        self.mlp = Mlp(s)

    def forward(self, x, rope, past):
        x = x + self.self_attn(self.input_layernorm(x), rope, past)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.embed_tokens = nn.Embedding(s.vocab, s.hidden)
        self.layers = nn.ModuleList(Layer(s) for _ in range(s.layers))
        self.norm = Norm(s.hidden, s.eps)


class Llama(nn.Module):
    """Embeddings are tied: the same matrix reads tokens and scores them."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.model = Decoder(shape)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                out = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(p, std=0.02 / (2 * shape.layers) ** 0.5 if out else 0.02)
        dim = shape.hidden // shape.heads
        angles = torch.outer(torch.arange(shape.context), shape.rope_theta ** (-torch.arange(0, dim, 2) / dim))
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def hidden(self, ids, past=None):
        """ids [batch, length] → normed hidden states [batch, length, hidden]. `past`: a list per layer, kept by the caller."""
        at = past[0][0].shape[2] if past and past[0] else 0
        rope = (self.cos[at : at + ids.shape[1]], self.sin[at : at + ids.shape[1]])
        x = self.model.embed_tokens(ids)
        for index, layer in enumerate(self.model.layers):
            x = layer(x, rope, None if past is None else past[index])
        return self.model.norm(x)

    def logits(self, hidden):
        return F.linear(hidden, self.model.embed_tokens.weight)

    @torch.no_grad()
    def generate(self, prompts, end, most, temperature, generator=None):
        """Answers to prompts of one length, together: token ids up to `end` (left out) or `most` of them each.
        Temperature 0 takes the likeliest."""
        past = [[] for _ in self.model.layers]
        feed, made, open_ = torch.tensor(prompts), [[] for _ in prompts], set(range(len(prompts)))
        for _ in range(most):
            scores = self.logits(self.hidden(feed, past)[:, -1]).float()
            if temperature == 0:
                tokens = scores.argmax(-1)
            else:
                tokens = torch.multinomial(torch.softmax(scores / temperature, -1), 1, generator=generator)[:, 0]
            for row in list(open_):
                if int(tokens[row]) == end:
                    open_.discard(row)
                else:
                    made[row].append(int(tokens[row]))
            if not open_:
                break
            feed = tokens[:, None]
        return made
