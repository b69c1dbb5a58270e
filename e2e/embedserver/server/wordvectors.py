"""Writes a static model in model2vec's format out of the word vectors of a BERT, as float16, and prints what the vectors of some
texts must be, computed with Hugging Face's tokenizers: a reference for a WordPiece tokenizer.

usage: wordvectors.py BERT_FOLDER NEW_FOLDER <texts.json >vectors.json
"""

import json
import os
import shutil
import struct
import sys

import numpy as np
from minilm import weights
from tokenizers import Tokenizer


def main():
    bert, new = sys.argv[1:]
    rows = weights(os.path.join(bert, "model.safetensors"))["embeddings.word_embeddings.weight"].astype("<f2")
    data = rows.tobytes()
    head = json.dumps({"embeddings": {"dtype": "F16", "shape": rows.shape, "data_offsets": [0, len(data)]}}).encode()
    with open(os.path.join(new, "model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head + data)
    shutil.copy(os.path.join(bert, "tokenizer.json"), new)
    tokenizer = Tokenizer.from_file(os.path.join(bert, "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    unknown = tokenizer.token_to_id("[UNK]")
    vectors = []
    for text in json.load(sys.stdin):
        ids = [i for i in tokenizer.encode(text, add_special_tokens=False).ids if i != unknown][:512]
        total = rows[ids].astype(np.float64).sum(0)
        vectors.append((total / max(np.linalg.norm(total), 1e-30)).tolist())
    json.dump(vectors, sys.stdout)


if __name__ == "__main__":
    main()
