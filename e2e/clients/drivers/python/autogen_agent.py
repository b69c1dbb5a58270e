"""AutoGen: an assistant agent with a tool on chat completions, unary and streaming."""

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import ModelClientStreamingChunkEvent
from autogen_ext.models.openai import OpenAIChatCompletionClient
from common import MODEL, SYSTEM, main_async

INFO = {"vision": False, "function_calling": True, "json_output": False, "family": "unknown", "structured_output": False}


async def run(case, stream):
    async def run_shell(command: str) -> str:
        """Run a shell command."""
        return case.run_shell(command)

    model = OpenAIChatCompletionClient(model=MODEL, model_info=INFO, include_name_in_message=True)
    agent = AssistantAgent(
        "worker",
        model_client=model,
        tools=[run_shell],
        system_message=SYSTEM,
        max_tool_iterations=5,
        model_client_stream=stream,
    )
    chunks, final = 0, ""
    async for item in agent.run_stream(task=case.prompt):
        if isinstance(item, ModelClientStreamingChunkEvent):
            chunks += 1
        elif isinstance(item, TaskResult):
            final = item.messages[-1].content
    await model.close()
    case.report(final, chunks)


main_async({"chat/unary": lambda c: run(c, False), "chat/stream": lambda c: run(c, True)})
