// Vercel's AI SDK, with its providers for OpenAI (chat and Responses), Anthropic and servers like OpenAI's.
import assert from "node:assert/strict";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, Output, embedMany, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { CHAT_MODELS, KEY, URL, check } from "./checks.mjs";

const baseURL = `${URL}/v1`;
const openai = createOpenAI({ baseURL, apiKey: KEY });
const anthropic = createAnthropic({ baseURL, apiKey: KEY });
const compatible = createOpenAICompatible({ name: "gateway", baseURL, apiKey: KEY, includeUsage: true, supportsStructuredOutputs: true });
const prompt = "What is 2+2?";
const asked = { prompt, maxRetries: 0 };
const weather = tool({
  description: "The weather in a city.",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `sunny in ${city}`,
});
const person = Output.object({ schema: z.object({ name: z.string(), age: z.number() }) });

for (const name of CHAT_MODELS) {
  await check(`chat (openai-compatible, ${name})`, async () => {
    const answer = await generateText({ model: compatible(name), maxOutputTokens: 16, ...asked });
    assert(answer.text);
    assert(answer.usage.outputTokens > 0);
  });
  await check(`streamed chat with usage (openai-compatible, ${name})`, async () => {
    const answer = streamText({ model: compatible(name), maxOutputTokens: 16, ...asked });
    let text = "";
    for await (const part of answer.textStream) text += part;
    assert(text);
    assert((await answer.usage).outputTokens > 0);
  });
}

const MODELS = {
  "openai, chat": openai.chat("scripted"),
  "openai, responses": openai("scripted"),
  "openai-compatible": compatible("scripted"),
  "anthropic, scripted": anthropic("scripted"),
  "anthropic, native": anthropic("native"),
};

for (const [name, model] of Object.entries(MODELS)) {
  await check(`streamed text with usage (${name})`, async () => {
    const answer = streamText({ model, ...asked });
    let text = "";
    for await (const part of answer.textStream) text += part;
    assert.equal(text, "Hello from the scripted model.");
    assert.equal((await answer.usage).outputTokens, 5);
  });
  await check(`tool call (${name})`, async () => {
    const answer = await generateText({ model, tools: { weather }, stopWhen: stepCountIs(2), ...asked });
    assert.equal(answer.text, "The tool said: sunny in Paris");
  });
  await check(`streamed tool call (${name})`, async () => {
    const answer = streamText({ model, tools: { weather }, stopWhen: stepCountIs(2), ...asked });
    assert.equal(await answer.text, "The tool said: sunny in Paris");
  });
  await check(`structured output (${name})`, async () => {
    const answer = await generateText({ model, output: person, ...asked });
    assert.deepEqual(answer.output, { name: "Ada", age: 36 });
  });
}

await check("embeddings", async () => {
  for (const model of [openai.embeddingModel("plain"), compatible.embeddingModel("plain")]) {
    const answer = await embedMany({ model, values: ["a", "b"], maxRetries: 0 });
    assert.deepEqual(answer.embeddings[1], [0.25, -0.5, 1]);
  }
});

await check("404, 429 and 400", async () => {
  const cases = { nobody: 404, throttled: 429, picky: 400 };
  for (const [name, status] of Object.entries(cases)) {
    for (const model of [openai(name), openai.chat(name), compatible(name), anthropic(name)]) {
      const told = (error) => APICallError.isInstance(error) && error.statusCode === status;
      await assert.rejects(generateText({ model, ...asked }), told);
    }
  }
});
