// Vercel AI SDK: its own tool loop on responses (the openai provider's default), on chat, and on the OpenAI-compatible
// provider that most other gateways are used with.
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';
import { MODEL, SYSTEM, main } from './common.mjs';

const openai = createOpenAI();
const compatible = createOpenAICompatible({
  name: 'local',
  baseURL: process.env.OPENAI_BASE_URL,
  apiKey: process.env.OPENAI_API_KEY,
  includeUsage: true,
});

async function run(c, model, stream) {
  const args = {
    model,
    system: SYSTEM,
    prompt: c.prompt,
    stopWhen: stepCountIs(6),
    tools: {
      run_shell: tool({
        description: 'Run a shell command.',
        inputSchema: z.object({ command: z.string() }),
        execute: async (input) => c.runShell(input),
      }),
    },
  };
  if (!stream) return c.report((await generateText(args)).text);
  let chunks = 0;
  const result = streamText({ ...args, onError: ({ error }) => { throw error; } });
  for await (const part of result.fullStream) chunks += part.type === 'text-delta' ? 1 : 0;
  c.report(await result.text, chunks);
}

await main({
  'responses/unary': (c) => run(c, openai(MODEL), false),
  'responses/stream': (c) => run(c, openai(MODEL), true),
  'chat/unary': (c) => run(c, openai.chat(MODEL), false),
  'chat/stream': (c) => run(c, openai.chat(MODEL), true),
  'compatible/stream': (c) => run(c, compatible(MODEL), true),
});
