"""openai-agents: two agents with a hand-off between them, on responses (its default) and on chat, unary and streaming."""

from agents import Agent, ModelSettings, Runner, function_tool, set_default_openai_api
from common import MODEL, SYSTEM, main_async


def team(case):
    @function_tool
    def run_shell(command: str) -> str:
        """Run a shell command."""
        return case.run_shell(command)

    settings = ModelSettings(include_usage=True)
    worker = Agent(name="worker", instructions=SYSTEM, model=MODEL, tools=[run_shell], model_settings=settings)
    return Agent(name="desk", instructions="Hand work over to the worker.", model=MODEL, handoffs=[worker], model_settings=settings)


async def run(case, api, stream):
    set_default_openai_api(api)
    chunks = 0
    if stream:
        result = Runner.run_streamed(team(case), case.prompt)
        async for event in result.stream_events():
            chunks += event.type == "raw_response_event"
    else:
        result = await Runner.run(team(case), case.prompt)
    assert result.last_agent.name == "worker", f"no hand-off: {result.last_agent.name} spoke last"
    case.report(result.final_output, chunks, agent=result.last_agent.name)


main_async({
    "responses/unary": lambda c: run(c, "responses", False),
    "responses/stream": lambda c: run(c, "responses", True),
    "chat/unary": lambda c: run(c, "chat_completions", False),
    "chat/stream": lambda c: run(c, "chat_completions", True),
})
