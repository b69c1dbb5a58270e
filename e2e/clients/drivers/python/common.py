"""What every Python driver shares: the cases to run, one tool that really runs, one line of report for each case.

E2E_CASES is a JSON array of {"name", "prompt", "final"}. The base URL and the key come from the client's own documented
environment variables and are not named here.
"""

import asyncio
import json
import os
import subprocess
import sys

MODEL = os.environ.get("E2E_MODEL", "sim")
SYSTEM = "You are a careful worker. Use the tools that you have, then say what you did."


class Case:
    def __init__(self, raw):
        self.name = raw["name"]
        self.prompt = raw["prompt"]
        self.tools = 0

    def run_shell(self, command: str) -> str:
        """Run a shell command in the working folder and return what it prints."""
        self.tools += 1
        done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=30)
        return done.stdout + done.stderr

    def report(self, final, chunks=0, **more):
        line = {"case": self.name, "final": final or "", "chunks": chunks, "tools": self.tools, **more}
        # A new line first: live displays leave the cursor in the middle of one.
        print("\n" + json.dumps(line), flush=True)


def cases(runners):
    for raw in json.loads(os.environ["E2E_CASES"]):
        if raw["name"] not in runners:
            sys.exit(f"driver has no case {raw['name']}")
        yield runners[raw["name"]], Case(raw)


def main(runners):
    """Run each case with the function that runners names for it."""
    for run, case in cases(runners):
        run(case)


def main_async(runners):
    """Run coroutines the same way, all in one event loop: some libraries share one HTTP client between agents."""

    async def run_all():
        for run, case in cases(runners):
            await run(case)

    asyncio.run(run_all())


SHELL_PARAMETERS = {
    "type": "object",
    "properties": {"command": {"type": "string", "description": "the command line"}},
    "required": ["command"],
    "additionalProperties": False,
}
