"""pydantic-ai: an agent with a tool on chat completions and on responses, unary and streaming."""

from common import MODEL, SYSTEM, main_async
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel


async def run(case, kind, stream):
    agent = Agent(kind(MODEL), system_prompt=SYSTEM)

    @agent.tool_plain
    def run_shell(command: str) -> str:
        """Run a shell command."""
        return case.run_shell(command)

    if not stream:
        result = await agent.run(case.prompt)
        return case.report(result.output)
    chunks = 0
    async with agent.run_stream(case.prompt) as result:
        async for _ in result.stream_text(delta=True, debounce_by=None):
            chunks += 1
        case.report(await result.get_output(), chunks)


main_async({
    "chat/unary": lambda c: run(c, OpenAIChatModel, False),
    "chat/stream": lambda c: run(c, OpenAIChatModel, True),
    "responses/unary": lambda c: run(c, OpenAIResponsesModel, False),
    "responses/stream": lambda c: run(c, OpenAIResponsesModel, True),
})
