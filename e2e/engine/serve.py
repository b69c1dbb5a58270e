"""Runs llama.cpp's HTTP server on loopback inside this process, until stdin is closed.

The server is the C++ one that the xllamacpp wheel carries. The only line on stdout is `ready URL`, once it is healthy.

usage: serve.py MODEL.gguf [--slots 2] [--context 4096] [--threads 1] [--cache-ram 256]
"""

import argparse
import os
import socket
import sys
import time
import urllib.error
import urllib.request

import xllamacpp


def healthy(url, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url + "/health", timeout=2) as answer:
                if answer.status == 200:
                    return True
        except (urllib.error.URLError, OSError):
            pass  # still loading: 503, or not listening yet
        time.sleep(0.02)
    return False


def parameters(a):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    p = xllamacpp.CommonParams()
    p.model.path = a.model
    p.model_alias = {"markov-chat"}
    p.hostnames, p.port, p.offline, p.ui = ["127.0.0.1"], port, True, False
    p.n_parallel, p.n_ctx, p.kv_unified = a.slots, a.slots * a.context, False
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = a.threads
    p.endpoint_slots = p.endpoint_metrics = p.endpoint_props = True
    p.sampling.seed, p.sampling.temp, p.n_predict = 1, 0.0, 512
    p.cache_ram_mib = a.cache_ram
    p.ctx_shift = p.warmup = False
    p.verbosity = 1
    return p


def main():
    p = argparse.ArgumentParser()
    p.add_argument("model")
    p.add_argument("--slots", type=int, default=2)
    p.add_argument("--context", type=int, default=4096, help="tokens for each slot")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--cache-ram", type=int, default=256, help="MiB for prompts that lost their slot, 0 for none")
    server = xllamacpp.Server(parameters(p.parse_args()))
    url = server.listening_address
    if not healthy(url, 60):
        print("the server did not become healthy", file=sys.stderr, flush=True)
        os._exit(1)
    print("ready", url, flush=True)
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
