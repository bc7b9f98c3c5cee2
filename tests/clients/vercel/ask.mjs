// One question to the server by Vercel's library: `node ask.mjs SERVER` with what is asked as JSON on standard input.
// Writes what the library gives as JSON. The names of the ways are those of the library's functions.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateObject, generateText, jsonSchema, stepCountIs, streamObject, streamText, tool } from 'ai';
import { text } from 'node:stream/consumers';
import { z } from 'zod';

globalThis.AI_SDK_LOG_WARNINGS = false; // they would go to standard output

const [baseURL] = process.argv.slice(2);
const asked = JSON.parse(await text(process.stdin));
const bodies = [];

// Every request passes here: to this machine only, and each body is kept for the test to look at.
async function onThisMachine(url, options) {
  if (!String(url).startsWith(baseURL)) throw new Error(`tests stay on this machine, ${url} is another`);
  bodies.push(JSON.parse(options.body));
  return fetch(url, options);
}

const provider = createOpenAICompatible({
  name: 'jaxchat',
  baseURL,
  fetch: onThisMachine,
  includeUsage: true,
  supportsStructuredOutputs: asked.structured ?? true,
});
const person = z.object({ name: z.string(), age: z.number().int(), city: z.string() });
const tools = Object.fromEntries(
  Object.entries(asked.tools ?? {}).map(([name, { description, parameters, results }]) => [
    name,
    tool({ description, inputSchema: jsonSchema(parameters), execute: (given) => results[Object.values(given)[0]] }),
  ]),
);
const settings = {
  model: provider(asked.model ?? 'tiny'),
  temperature: 0,
  seed: 1,
  maxRetries: 0,
  ...(asked.tools && { tools, stopWhen: stepCountIs(asked.steps ?? 3) }),
  ...(asked.body && { providerOptions: { jaxchat: asked.body } }),
  ...asked.settings,
};

async function gathered(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

// What both ways of text have: those of a stream are promises.
async function told(result, more) {
  const steps = (await result.steps).map((step) => ({
    calls: step.toolCalls.map(({ toolName, input }) => [toolName, input]),
    finishReason: step.finishReason,
  }));
  return {
    text: await result.text,
    reasoning: await result.reasoningText,
    finishReason: await result.finishReason,
    usage: await result.usage,
    warnings: await result.warnings,
    steps,
    ...more,
  };
}

const ways = {
  async generateText() {
    return told(await generateText(settings));
  },
  async streamText() {
    const result = streamText({ ...settings, onError: () => {} });
    const parts = await gathered(result.fullStream);
    const failed = parts.find((part) => part.type === 'error');
    if (failed) throw failed.error;
    const deltas = parts.filter((part) => part.type === 'text-delta').map((part) => part.text);
    return told(result, { deltas, kinds: [...new Set(parts.map((part) => part.type))] });
  },
  async generateObject() {
    const { object, finishReason } = await generateObject({ ...settings, schema: person });
    return { object, finishReason };
  },
  async streamObject() {
    const result = streamObject({ ...settings, schema: person, onError: () => {} });
    const partial = await gathered(result.partialObjectStream);
    return { object: await result.object, partial: partial.length };
  },
};

let found;
try {
  found = await ways[asked.way]();
} catch (error) {
  found = { error: { name: error.name, message: error.message, status: error.statusCode } };
}
process.stdout.write(JSON.stringify({ ...found, bodies }));
