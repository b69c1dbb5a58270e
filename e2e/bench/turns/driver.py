"""Agents on OpenAI's Python SDK, with its defaults, as a job describes them.

usage: driver.py JOB.json    (prints "ready", waits for a line with the beginning in unix seconds, then prints one JSON line
for each answer; it ends when all agents have, or when its stdin is closed)
"""

import asyncio
import heapq
import json
import os
import sys
import threading
import time

from openai import AsyncOpenAI


class Gate:
    """At most n beyond it; of those that wait the lowest rank goes first, then the first that came."""

    def __init__(self, n):
        self.free, self.waiting, self.seq = n, [], 0

    async def enter(self, rank):
        if self.free > 0:
            self.free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self.seq += 1
        heapq.heappush(self.waiting, (rank, self.seq, turn))
        await turn

    def leave(self):
        if self.waiting:
            heapq.heappop(self.waiting)[2].set_result(None)
        else:
            self.free += 1


def whole(chunks):
    """What is kept of a stream: text, usage and the engine's timings."""
    text, usage, timings = [], None, None
    for c in chunks:
        usage = c.usage or usage
        timings = (c.model_extra or {}).get("timings") or timings
        text += [x.delta.content or "" for x in c.choices]
    return "".join(text), usage, timings


class Agent:
    def __init__(self, number, spec, gates, clients):
        self.number, self.spec = number, spec
        self.gate = gates.get(spec.get("gate"))
        # One set of connections for each base URL, as in one process of a framework; the keys differ.
        shared = clients.get(spec["base"]) or clients.setdefault(spec["base"], AsyncOpenAI(base_url=spec["base"], api_key="none"))
        self.client = shared.with_options(api_key=spec["key"])
        self.messages = []

    async def run(self, begin):
        spec = self.spec
        await sleep_until(begin + spec["first"])
        for i, call in enumerate(spec["calls"]):
            await asyncio.sleep(call.get("think", 0))
            asked = time.time() - begin
            if spec.get("until") and asked >= spec["until"]:
                return
            line = {"agent": self.number, "call": i, "asked": asked}
            if self.gate:
                await self.gate.enter(spec.get("rank", 0))
            try:
                await self.ask(call, line)
            except Exception as e:
                line["error"] = f"{type(e).__name__}: {e}"[:300]
            finally:
                if self.gate:
                    self.gate.leave()
            line["ended"] = time.time() - begin
            print(json.dumps(line), flush=True)
            if "error" in line and spec.get("talk"):
                return
        if spec.get("until"):
            sys.exit("the list of calls was too short")

    async def ask(self, call, line):
        if not self.spec.get("talk"):
            self.messages = []
        if not self.messages and self.spec.get("system"):
            self.messages = [{"role": "system", "content": self.spec["system"]}]
        self.messages.append({"role": "user", "content": call["prompt"]})
        args = dict(model=self.spec["model"], messages=self.messages)
        if call.get("max"):
            args["max_tokens"] = call["max"]
        if self.spec.get("stream"):
            args |= dict(stream=True, stream_options={"include_usage": True})
        raw = await self.client.chat.completions.with_raw_response.create(**args)
        answer = raw.parse()
        if self.spec.get("stream"):
            text, usage, timings = whole([chunk async for chunk in answer])
        else:
            text, usage = answer.choices[0].message.content, answer.usage
            timings = (answer.model_extra or {}).get("timings")
        self.messages.append({"role": "assistant", "content": text or ""})
        line["retries"], line["queue"] = raw.retries_taken, raw.headers.get("x-trapgate-queue", "")
        if usage:
            line["prompt"], line["output"] = usage.prompt_tokens, usage.completion_tokens
            details = usage.prompt_tokens_details
            line["cached"] = (details.cached_tokens or 0) if details else 0
        if timings:
            line["busy"] = (timings["prompt_ms"] + timings["predicted_ms"]) / 1000


async def sleep_until(at):
    await asyncio.sleep(max(0, at - time.time()))


async def main():
    with open(sys.argv[1]) as f:
        job = json.load(f)
    gates = {name: Gate(n) for name, n in (job.get("gates") or {}).items()}
    clients = {}
    agents = [Agent(i, spec, gates, clients) for i, spec in enumerate(job["agents"])]
    print("ready", flush=True)
    begin = float(await asyncio.to_thread(sys.stdin.readline))
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start()
    await asyncio.gather(*(a.run(begin) for a in agents))


asyncio.run(main())
