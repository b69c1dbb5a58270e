"""Writes a llama-architecture GGUF whose weights are a table, not the outcome of training.

The embedding of token t is the t-th unit vector, every layer adds nothing to it, and row j of the output matrix holds how
much token j is liked after each token t. So the model is a first-order Markov chain: what comes next depends on the last
token alone, and greedy decoding is exact, the same cold, cached and in a batch. The layers still compute keys, values,
attention and feed-forward in full (only their output projections are zero), so prefill, decode and the prefix cache cost
what they cost in any llama.

The last token before an answer is a marker that the chat template chooses: one for each of a few fixed texts, one for a tool
call. Texts are spelled in tokens that occur once each, which is what lets a chain without a memory tell them. In a tool
call the server's own grammar leaves only what the offered tools allow, and the table only breaks ties: close what can be
closed, put no blanks, and write a place name into a string.

`tool_choice: required` makes the pinned server abort on this model: ask with `auto`, where a tool is always called.

usage: model.py OUT.gguf [--layers 2] [--context 131072]
"""

import argparse
import os

import gguf
import numpy as np

WIDTH = 512  # of the residual stream; no fewer than there are tokens
HEADS = 8
FORWARD = 256
HALF = np.float16

END, START, STOP = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
OPEN, CLOSE = "<tool_call>", "</tool_call>"
CALL = "<|call|>"
MERGES = ["h e", "i n", "e r", "a n", "r e", "o n", "t i", "e s"]  # the loader wants some; the rest is bytes
NAME = '\n{"name": "'
PLACE = "Lisbon"

TEXTS = [
    "A gate lets one traveller through at any time, and remembers nobody. Who passes is written down by the keeper, in ink, "
    "with hour, load and road. When rain falls he still stands outside; his lamp burns until dawn.",
    "Water finds its own level. Below the mill it turns slowly, green under willows, then hurries on towards harbours "
    "where ships are waiting for tide, wind or cargo. Nothing there is ever quite finished.",
    "That is what the tool said. I have nothing to add.",
    "Round and round goes every wheel,",
]
ENDLESS = 3  # this one begins anew when it is told; it is for whoever asks for it with the word "endlessly"

TOOLS = (
    "\nThese functions may be called:\n<tools>{% for t in tools %}\n{{ t | tojson }}{% endfor %}\n</tools>\n"
    "To call one, answer with its name and arguments as JSON:\n"
    '<tool_call>\n{"name": <name>, "arguments": <arguments>}\n</tool_call>'
)

TEMPLATE = (
    "{%- if messages[0].role in ['system', 'developer'] %}{%- set head = messages[0].content %}{%- set turns = messages[1:] %}"
    "{%- else %}{%- set head = 'Answer briefly.' %}{%- set turns = messages %}{%- endif %}"
    "{{- '<|im_start|>system\\n' + head }}"
    "{%- if tools %}" + TOOLS.replace("{% for", "{%- for").replace("{% endfor", "{%- endfor") + "{%- endif %}"
    "{{- '<|im_end|>\\n' }}"
    "{%- for m in turns %}"
    "{%- if m.role == 'assistant' %}"
    "{{- '<|im_start|>assistant\\n' }}{%- if m.content %}{{- m.content }}{%- endif %}"
    "{%- if m.tool_calls %}{%- for c in m.tool_calls %}{%- set f = c.function %}"
    "{{- '<tool_call>\\n{\"name\": \"' + f.name + '\", \"arguments\": ' }}"
    "{%- if f.arguments is string %}{{- f.arguments }}{%- else %}{{- f.arguments | tojson }}{%- endif %}"
    "{{- '}\\n</tool_call>' }}{%- endfor %}{%- endif %}"
    "{{- '<|im_end|>\\n' }}"
    "{%- elif m.role == 'tool' %}"
    "{{- '<|im_start|>user\\n<tool_response>\\n' + m.content + '\\n</tool_response><|im_end|>\\n' }}"
    "{%- else %}{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{%- endif %}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- set last = messages[messages | length - 1] %}"
    "{%- if last.role == 'tool' %}{{- '<|say2|>' }}"
    "{%- elif tools %}{{- '<|call|>' }}"
    "{%- elif last.content is string and 'endlessly' in last.content %}{{- '<|say3|>' }}"
    "{%- elif messages | length is odd %}{{- '<|say0|>' }}"
    "{%- else %}{{- '<|say1|>' }}{%- endif %}"
    "{%- endif %}"
)


def byte_letters():
    """The printable stand-ins by which byte-level tokenizers spell the 256 bytes."""
    plain = set(range(0x21, 0x7F)) | set(range(0xA1, 0xAD)) | set(range(0xAE, 0x100))
    spare = iter(range(0x100, 0x200))
    return [chr(b) if b in plain else chr(next(spare)) for b in range(256)]


def pieces(text, taken):
    """Cuts text at blanks into the shortest pieces that are all different and not taken yet."""
    out, have = [], ""
    for word in text.replace(" ", "\0 ").split("\0"):
        have += word
        if have not in taken:
            taken.add(have)
            out.append(have)
            have = ""
    if have:  # the rest goes with the piece before it
        taken.discard(out[-1])
        out[-1] += have
        taken.add(out[-1])
    return out


class Table:
    """The vocabulary, and how much each token is liked after each."""

    def __init__(self):
        self.kinds, self.words, self.next = [], [], []
        for letter in byte_letters():
            self.add(letter, gguf.TokenType.NORMAL)
        for pair in MERGES:
            self.add(pair.replace(" ", ""), gguf.TokenType.NORMAL)
        for word in [END, START, STOP, CALL] + [f"<|say{i}|>" for i in range(len(TEXTS))]:
            self.add(word, gguf.TokenType.CONTROL)
        for word in [OPEN, CLOSE, NAME, PLACE]:
            self.add(word, gguf.TokenType.USER_DEFINED)
        taken = set(self.words)
        self.told = []
        for i, text in enumerate(TEXTS):
            path = pieces(text, taken)
            for word in path:
                self.add(word, gguf.TokenType.USER_DEFINED)
            self.told.append([f"<|say{i}|>", *path, path[0] if i == ENDLESS else STOP])

    def add(self, word, kind):
        self.words.append(word)
        self.kinds.append(kind)

    def scores(self):
        """score[t, j]: token j after token t."""
        at = {w: i for i, w in enumerate(self.words)}
        n = len(self.words)
        score = np.zeros((n, n), np.float32)
        for word, liked in {"}": 4, "]": 3.5, '"': 3, "{": 2.5, ",": 2, ":": 2, "7": 1.5, "t": 1, STOP: 1}.items():
            score[:, at[word]] += liked
        for blank in (" ", "\t", "\n", "\r"):
            score[:, at[byte_letters()[ord(blank)]]] -= 5
        for i, word in enumerate(self.words):  # nothing but a chain enters a text, and markers are never said
            if i >= 256 and word not in (STOP, CLOSE):
                score[:, i] -= 20
        score[at['"'], at[PLACE]] += 28
        newline = at[byte_letters()[ord("\n")]]
        score[at["}"], newline] += 7.2  # rather the end of the call than a comma and another call
        score[newline, at[CLOSE]] += 10
        for a, b in [(CALL, OPEN), (OPEN, NAME), (PLACE, '"'), (CLOSE, STOP)]:
            score[at[a], at[b]] += 40
        for path in self.told:
            for a, b in zip(path, path[1:]):
                score[at[a], at[b]] += 40
        return score


def write(path, layers, context):
    table = Table()
    n = len(table.words)
    if n > WIDTH:
        raise SystemExit(f"{n} tokens do not fit a width of {WIDTH}")
    rng = np.random.default_rng(7)

    def random(rows, columns):
        return (rng.standard_normal((rows, columns)) / np.sqrt(columns)).astype(HALF)

    w = gguf.GGUFWriter(path, "llama")
    w.add_name("markov-chat")
    w.add_context_length(context)
    w.add_embedding_length(WIDTH)
    w.add_block_count(layers)
    w.add_feed_forward_length(FORWARD)
    w.add_head_count(HEADS)
    w.add_head_count_kv(HEADS)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_dimension_count(WIDTH // HEADS)
    w.add_vocab_size(n)
    w.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(table.words)
    w.add_token_types(table.kinds)
    w.add_token_merges(MERGES)
    w.add_eos_token_id(table.words.index(STOP))
    w.add_bos_token_id(table.words.index(END))
    w.add_pad_token_id(table.words.index(END))
    w.add_add_bos_token(False)
    w.add_chat_template(TEMPLATE)

    unit = np.zeros((n, WIDTH), HALF)
    unit[np.arange(n), np.arange(n)] = 1
    w.add_tensor("token_embd.weight", unit)
    out = np.zeros((n, WIDTH), np.float32)
    out[:, :n] = table.scores().T / np.sqrt(WIDTH)  # the last norm makes a unit vector sqrt(WIDTH) long
    w.add_tensor("output.weight", out.astype(HALF))
    ones = np.ones(WIDTH, np.float32)
    w.add_tensor("output_norm.weight", ones)
    for i in range(layers):
        block = f"blk.{i}."
        w.add_tensor(block + "attn_norm.weight", ones)
        w.add_tensor(block + "ffn_norm.weight", ones)
        for name in ("attn_q", "attn_k", "attn_v"):
            w.add_tensor(block + name + ".weight", random(WIDTH, WIDTH))
        w.add_tensor(block + "attn_output.weight", np.zeros((WIDTH, WIDTH), HALF))
        w.add_tensor(block + "ffn_gate.weight", random(FORWARD, WIDTH))
        w.add_tensor(block + "ffn_up.weight", random(FORWARD, WIDTH))
        w.add_tensor(block + "ffn_down.weight", np.zeros((WIDTH, FORWARD), HALF))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("out")
    p.add_argument("--layers", type=int, default=2)
    p.add_argument("--context", type=int, default=131072)
    a = p.parse_args()
    write(a.out + ".part", a.layers, a.context)
    os.replace(a.out + ".part", a.out)


if __name__ == "__main__":
    main()
