"""smolagents: a tool-calling agent, whose tool turns come back as text, on chat completions, unary and streaming."""

import os

from common import MODEL, main
from smolagents import OpenAIServerModel, ToolCallingAgent, tool
from smolagents.models import ChatMessageStreamDelta


def run(case, stream):
    @tool
    def run_shell(command: str) -> str:
        """Run a shell command.

        Args:
            command: the command line
        """
        return case.run_shell(command)

    model = OpenAIServerModel(MODEL, api_base=os.environ["OPENAI_BASE_URL"], api_key=os.environ["OPENAI_API_KEY"])
    agent = ToolCallingAgent([run_shell], model, stream_outputs=stream, max_steps=5, verbosity_level=0)
    if not stream:
        return case.report(str(agent.run(case.prompt)))
    chunks, last = 0, None
    for step in agent.run(case.prompt, stream=True):
        chunks += isinstance(step, ChatMessageStreamDelta)
        last = step
    case.report(str(last.output), chunks)


main({"chat/unary": lambda c: run(c, False), "chat/stream": lambda c: run(c, True)})
