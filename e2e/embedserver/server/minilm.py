"""all-MiniLM-L6-v2 in numpy: a BERT encoder of six layers, the mean over a text's tokens, the length made 1."""

import json
import os
import struct

import numpy as np
from tokenizers import Tokenizer

HEADS = 12
WINDOW = 256  # tokens of a text, those at its ends included; sentence_bert_config.json says so


class MiniLM:
    def __init__(self, folder):
        self.tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(WINDOW)
        self.w = weights(os.path.join(folder, "model.safetensors"))
        self.layers = sum(1 for name in self.w if name.endswith("attention.self.query.weight"))

    def embed(self, texts, batch=16):
        """Returns the vectors, one row for each text, and how many tokens were read."""
        ids = [e.ids for e in self.tokenizer.encode_batch(list(texts))]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))  # texts of like length are computed together
        vectors = np.empty((len(ids), self.w["embeddings.word_embeddings.weight"].shape[1]), np.float32)
        for begin in range(0, len(order), batch):
            some = order[begin : begin + batch]
            vectors[some] = self.forward([ids[i] for i in some])
        return vectors, sum(map(len, ids))

    def forward(self, ids):
        n, longest = len(ids), max(map(len, ids))
        tokens, mask = np.zeros((n, longest), np.int64), np.zeros((n, longest), np.float32)
        for i, row in enumerate(ids):
            tokens[i, : len(row)], mask[i, : len(row)] = row, 1
        w = self.w
        x = w["embeddings.word_embeddings.weight"][tokens] + w["embeddings.position_embeddings.weight"][:longest]
        x = normed(x + w["embeddings.token_type_embeddings.weight"][0], w, "embeddings.LayerNorm")
        hidden = (1 - mask)[:, None, None, :] * np.float32(-1e9)
        for i in range(self.layers):
            layer = f"encoder.layer.{i}."
            x = normed(x + self.attention(x, hidden, layer), w, layer + "attention.output.LayerNorm")
            wide = gelu(linear(x, w, layer + "intermediate.dense"))
            x = normed(x + linear(wide, w, layer + "output.dense"), w, layer + "output.LayerNorm")
        mean = (x * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)

    def attention(self, x, hidden, layer):
        n, length, size = x.shape

        def heads(name):
            y = linear(x, self.w, layer + "attention.self." + name)
            return y.reshape(n, length, HEADS, size // HEADS).transpose(0, 2, 1, 3)

        scores = heads("query") @ heads("key").transpose(0, 1, 3, 2) / np.float32(np.sqrt(size // HEADS)) + hidden
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = scores / scores.sum(-1, keepdims=True) @ heads("value")
        return linear(mixed.transpose(0, 2, 1, 3).reshape(n, length, size), self.w, layer + "attention.output.dense")


def weights(path):
    """Reads the float32 tensors of a safetensors file."""
    with open(path, "rb") as f:
        raw = f.read()
    (n,) = struct.unpack("<Q", raw[:8])
    tensors = {}
    for name, t in json.loads(raw[8 : 8 + n]).items():
        if name != "__metadata__" and t["dtype"] == "F32":
            begin, end = t["data_offsets"]
            tensors[name] = np.frombuffer(raw[8 + n + begin : 8 + n + end], "<f4").reshape(t["shape"])
    return tensors


def linear(x, w, name):
    flat = x.reshape(-1, x.shape[-1]) @ w[name + ".weight"].T  # one large product instead of one for each text
    return (flat + w[name + ".bias"]).reshape(*x.shape[:-1], -1)


def normed(x, w, name):
    x = x - x.mean(-1, keepdims=True)
    x /= np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(1e-12))
    return x * w[name + ".weight"] + w[name + ".bias"]


def gelu(x):
    """x * (1 + erf(x/sqrt 2)) / 2, with erf by Abramowitz and Stegun, formula 7.1.26: wrong by at most 1.5e-7. In place, a part
    that fits into the cache at a time."""
    flat = x.reshape(-1)
    for begin in range(0, flat.size, 1 << 14):
        part = flat[begin : begin + (1 << 14)]
        a = np.abs(part)
        a *= np.float32(0.7071067811865476)
        t = 1 / (1 + np.float32(0.3275911) * a)
        p = np.float32(1.061405429) * t
        for c in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
            p += np.float32(c)
            p *= t
        a *= a
        p *= np.exp(-a)
        part *= 1 + np.copysign(1 - p, part)
        part *= np.float32(0.5)
    return x
