"""Serves /v1/embeddings, as OpenAI's API does, on loopback until stdin is closed. The only line on stdout is `ready URL`.

usage: serve.py MODEL_FOLDER NAME [--most-texts 2048] [--threads 1]

What is refused, as others refuse it: more texts than --most-texts (400), empty texts, tokens instead of texts, other dimensions.
"""

import argparse
import base64
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MOST_BYTES = 16 << 20


class Bad(Exception):
    pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, model, a):
        super().__init__(("127.0.0.1", 0), Handler)
        self.model, self.name, self.most, self.turn = model, a.name, a.most_texts, threading.Lock()

    def embeddings(self, q):
        texts = q.get("input")
        if isinstance(texts, str):
            texts = [texts]
        if not isinstance(texts, list) or not all(isinstance(t, str) and t for t in texts) or not texts:
            raise Bad("'input' has to be a text or a list of texts, none of them empty")
        if len(texts) > self.most:
            raise Bad(f"too many inputs: {len(texts)}, at most {self.most} are taken")
        form = q.get("encoding_format", "float")
        if form not in ("float", "base64"):
            raise Bad("'encoding_format' is float or base64")
        with self.turn:  # the product of two matrices keeps all threads busy
            vectors, tokens = self.model.embed(texts)
        if q.get("dimensions") not in (None, vectors.shape[1]):
            raise Bad(f"this model has {vectors.shape[1]} dimensions")

        def written(v):
            return v.tolist() if form == "float" else base64.b64encode(v.astype("<f4").tobytes()).decode()

        data = [{"object": "embedding", "index": i, "embedding": written(v)} for i, v in enumerate(vectors)]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": data, "model": self.name, "usage": usage}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together

    def do_GET(self):
        if self.path == "/v1/models":
            self.answer(200, {"object": "list", "data": [{"id": self.server.name, "object": "model", "owned_by": "test"}]})
        elif self.path == "/health":
            self.answer(200, {"status": "ok"})
        else:
            self.refuse(404, "there is nothing here")

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or -1)
        if length < 0 or length > MOST_BYTES:
            self.close_connection = True
            return self.refuse(411 if length < 0 else 413, "the body is too large, or its length is not given")
        body = self.rfile.read(length)
        if self.path != "/v1/embeddings":
            return self.refuse(404, "there is nothing here")
        try:
            q = json.loads(body)
            if not isinstance(q, dict):
                raise Bad("the body is no object")
            self.answer(200, self.server.embeddings(q))
        except (Bad, ValueError) as e:
            self.refuse(400, str(e))

    def refuse(self, status, why):
        self.answer(status, {"error": {"message": why, "type": "invalid_request_error", "param": None, "code": None}})

    def answer(self, status, value):
        body = json.dumps(value, separators=(",", ":")).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    p = argparse.ArgumentParser()
    p.add_argument("model")
    p.add_argument("name")
    p.add_argument("--most-texts", type=int, default=2048)
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = str(a.threads)
    from minilm import MiniLM  # after the number of threads is said

    server = Server(MiniLM(a.model), a)
    server.model.embed(["ready"])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"ready http://127.0.0.1:{server.server_address[1]}", flush=True)
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
