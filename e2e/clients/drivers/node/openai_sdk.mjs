// OpenAI Node SDK: a tool loop of our own on chat completions and on responses, unary and streaming.
import OpenAI from 'openai';
import { MODEL, PARAMETERS, SYSTEM, main } from './common.mjs';

const client = new OpenAI();
const description = 'Run a shell command.';
const chatTool = { type: 'function', function: { name: 'run_shell', description, parameters: PARAMETERS, strict: true } };
const responsesTool = { type: 'function', name: 'run_shell', description, parameters: PARAMETERS, strict: true };

async function chat(c, stream) {
  const messages = [{ role: 'system', content: SYSTEM }, { role: 'user', content: c.prompt }];
  let chunks = 0;
  for (let turn = 0; turn < 6; turn++) {
    const args = { model: MODEL, messages, tools: [chatTool] };
    let answer;
    if (stream) {
      const events = client.chat.completions.stream({ ...args, stream_options: { include_usage: true } });
      for await (const _ of events) chunks++;
      answer = await events.finalChatCompletion();
      if (!answer.usage?.total_tokens) throw new Error('no usage on the stream');
    } else {
      answer = await client.chat.completions.create(args);
      if (!answer._request_id) throw new Error('x-request-id is lost');
    }
    const message = answer.choices[0].message;
    if (!message.tool_calls?.length) return c.report(message.content, chunks);
    messages.push(message);
    for (const call of message.tool_calls) {
      const content = c.runShell(JSON.parse(call.function.arguments));
      messages.push({ role: 'tool', tool_call_id: call.id, content });
    }
  }
  throw new Error('no end after 6 turns');
}

async function responses(c, stream) {
  const input = [{ role: 'user', content: c.prompt }];
  let chunks = 0;
  for (let turn = 0; turn < 6; turn++) {
    const args = { model: MODEL, instructions: SYSTEM, input, tools: [responsesTool] };
    let answer;
    if (stream) {
      const events = client.responses.stream(args);
      for await (const _ of events) chunks++;
      answer = await events.finalResponse();
    } else {
      answer = await client.responses.create(args);
    }
    const calls = answer.output.filter((item) => item.type === 'function_call');
    if (!calls.length) return c.report(answer.output_text, chunks);
    input.push(...answer.output);
    for (const call of calls) {
      const output = c.runShell(JSON.parse(call.arguments));
      input.push({ type: 'function_call_output', call_id: call.call_id, output });
    }
  }
  throw new Error('no end after 6 turns');
}

await main({
  'chat/unary': (c) => chat(c, false),
  'chat/stream': (c) => chat(c, true),
  'responses/unary': (c) => responses(c, false),
  'responses/stream': (c) => responses(c, true),
});
