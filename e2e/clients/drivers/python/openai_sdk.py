"""OpenAI Python SDK: a tool loop of our own on chat completions and on responses, unary and streaming."""

import json

from common import MODEL, SHELL_PARAMETERS, SYSTEM, main
from openai import OpenAI

client = OpenAI()
CHAT_TOOL = {
    "type": "function",
    "function": {"name": "run_shell", "description": "Run a shell command.", "parameters": SHELL_PARAMETERS, "strict": True},
}
RESPONSES_TOOL = {
    "type": "function",
    "name": "run_shell",
    "description": "Run a shell command.",
    "parameters": SHELL_PARAMETERS,
    "strict": True,
}


def chat(case, stream):
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": case.prompt}]
    chunks = 0
    for _ in range(6):
        args = dict(model=MODEL, messages=messages, tools=[CHAT_TOOL])
        if stream:
            with client.chat.completions.stream(**args, stream_options={"include_usage": True}) as events:
                for event in events:
                    chunks += event.type == "chunk"
                answer = events.get_final_completion()
            assert answer.usage and answer.usage.total_tokens > 0, "no usage on the stream"
        else:
            raw = client.chat.completions.with_raw_response.create(**args)
            answer = raw.parse()
            assert answer.usage.total_tokens > 0
            assert answer._request_id, "x-request-id is lost"
        message = answer.choices[0].message
        if not message.tool_calls:
            return case.report(message.content, chunks)
        messages.append(message)
        for call in message.tool_calls:
            result = case.run_shell(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    raise SystemExit("no end after 6 turns")


def responses(case, stream):
    items = [{"role": "user", "content": case.prompt}]
    chunks = 0
    for _ in range(6):
        args = dict(model=MODEL, instructions=SYSTEM, input=items, tools=[RESPONSES_TOOL])
        if stream:
            with client.responses.stream(**args) as events:
                for _event in events:
                    chunks += 1
                answer = events.get_final_response()
        else:
            answer = client.responses.create(**args)
        calls = [item for item in answer.output if item.type == "function_call"]
        if not calls:
            return case.report(answer.output_text, chunks)
        items += answer.output
        for call in calls:
            result = case.run_shell(**json.loads(call.arguments))
            items.append({"type": "function_call_output", "call_id": call.call_id, "output": result})
    raise SystemExit("no end after 6 turns")


main({
    "chat/unary": lambda c: chat(c, False),
    "chat/stream": lambda c: chat(c, True),
    "responses/unary": lambda c: responses(c, False),
    "responses/stream": lambda c: responses(c, True),
})
