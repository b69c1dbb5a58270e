// One run of an agent on the Vercel AI SDK: one message, the tool that the model asks for, one answer. E2E_TEXT is what its user says,
// E2E_WAY the dialect and how it answers, E2E_USER the request's member "user", "" for none. Prints one line of JSON.
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';

const [api, way] = process.env.E2E_WAY.split('/');
const openai = createOpenAI();
const args = {
  model: api === 'responses' ? openai('sim') : openai.chat('sim'),
  system: 'You are a helpful assistant.',
  prompt: process.env.E2E_TEXT,
  stopWhen: stepCountIs(4),
  providerOptions: process.env.E2E_USER ? { openai: { user: process.env.E2E_USER } } : {},
  tools: {
    look_around: tool({
      description: 'Look around in a place.',
      inputSchema: z.object({ place: z.string() }),
      execute: async ({ place }) => 'Nothing unusual in ' + place,
    }),
  },
};
const result = way === 'stream'
  ? streamText({ ...args, onError: ({ error }) => { throw error; } })
  : await generateText(args);
console.log(JSON.stringify({ final: await result.text }));
