"""One run of an agent on the OpenAI Agents SDK: one message, the tool that the model asks for, one answer.

E2E_TEXT is what its user says, E2E_WAY the dialect and how it answers, as "responses/stream", E2E_USER the value of x-user, "" for no
such header. Prints one line of JSON.
"""

import asyncio
import json
import os

from agents import Agent, ModelSettings, Runner, function_tool, set_default_openai_api, set_default_openai_client
from openai import AsyncOpenAI


@function_tool
def look_around(place: str) -> str:
    """Look around in a place."""
    return "Nothing unusual in " + place


async def main():
    api, way = os.environ["E2E_WAY"].split("/")
    user = os.environ["E2E_USER"]
    set_default_openai_client(AsyncOpenAI(default_headers={"x-user": user} if user else None), use_for_tracing=False)
    set_default_openai_api("responses" if api == "responses" else "chat_completions")
    agent = Agent(name="helper", instructions="You are a helpful assistant.", model="sim", tools=[look_around], model_settings=ModelSettings())
    if way == "stream":
        result = Runner.run_streamed(agent, os.environ["E2E_TEXT"])
        async for _ in result.stream_events():
            pass
    else:
        result = await Runner.run(agent, os.environ["E2E_TEXT"])
    print("\n" + json.dumps({"final": result.final_output}), flush=True)


asyncio.run(main())
