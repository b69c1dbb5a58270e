"""A LangGraph agent that reads a book page by page, told to go on by its user again and again: one thread, no trimming.

E2E_SYSTEM is its system prompt, E2E_TURNS a JSON array of what the user says, E2E_WAY the dialect and how it answers, as
"responses/stream". Prints one line of JSON. What the model refuses ends it, as it would end any agent.
"""

import json
import os
import pathlib

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.prebuilt import create_react_agent

pages = 0


@tool
def read_page(number: int) -> str:
    """Read one page of the book."""
    global pages
    pages += 1
    return pathlib.Path(f"page-{number:03}.txt").read_text()


def main():
    api, way = os.environ["E2E_WAY"].split("/")
    stream = way == "stream"
    model = ChatOpenAI(model="sim", use_responses_api=api == "responses", streaming=stream, stream_usage=stream)
    agent = create_react_agent(model, [read_page], prompt=os.environ["E2E_SYSTEM"], checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "book"}}
    final = ""
    for text in json.loads(os.environ["E2E_TURNS"]):
        answer = agent.invoke({"messages": [{"role": "user", "content": text}]}, config)
        final = answer["messages"][-1].text
        final = final if isinstance(final, str) else final()
    print(json.dumps({"final": final, "pages": pages}), flush=True)


main()
