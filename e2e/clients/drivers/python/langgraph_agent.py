"""LangGraph's prebuilt ReAct loop on langchain-openai: chat and responses, unary and streaming."""

from common import MODEL, SYSTEM, main
from langchain_core.messages import AIMessageChunk
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.prebuilt import create_react_agent


def text_of(message):
    return message.text if isinstance(message.text, str) else message.text()


def run(case, responses, stream):
    @tool
    def run_shell(command: str) -> str:
        """Run a shell command."""
        return case.run_shell(command)

    model = ChatOpenAI(model=MODEL, use_responses_api=responses, streaming=stream, stream_usage=stream)
    agent = create_react_agent(model, [run_shell], prompt=SYSTEM, checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": case.name}}
    start = {"messages": [{"role": "user", "content": case.prompt}]}
    if not stream:
        return case.report(text_of(agent.invoke(start, config)["messages"][-1]))
    chunks, final = 0, ""
    for message, _ in agent.stream(start, config, stream_mode="messages"):
        if isinstance(message, AIMessageChunk):
            chunks += 1
            final += text_of(message)
    case.report(final, chunks)


main({
    "chat/unary": lambda c: run(c, False, False),
    "chat/stream": lambda c: run(c, False, True),
    "responses/unary": lambda c: run(c, True, False),
    "responses/stream": lambda c: run(c, True, True),
})
