// OpenAI's JavaScript SDK.
import assert from "node:assert/strict";
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { CHAT_MODELS, KEY, URL, check } from "./checks.mjs";

const client = new OpenAI({ baseURL: `${URL}/v1`, apiKey: KEY, maxRetries: 0 });
const messages = [{ role: "user", content: "What is 2+2?" }];
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = [{ type: "function", function: { name: "weather", parameters } }];
const Person = z.object({ name: z.string(), age: z.number() });
const ADA = { name: "Ada", age: 36 };

for (const model of CHAT_MODELS) {
  await check(`chat (${model})`, async () => {
    const answer = await client.chat.completions.create({ model, messages, max_tokens: 16 });
    assert(answer.choices[0].message.content);
    assert(answer.usage.total_tokens > 0);
  });
  await check(`streamed chat with usage (${model})`, async () => {
    const options = { stream: true, stream_options: { include_usage: true } };
    let text = "";
    let usage;
    for await (const part of await client.chat.completions.create({ model, messages, max_tokens: 16, ...options })) {
      text += part.choices[0]?.delta.content ?? "";
      usage = part.usage ?? usage;
    }
    assert(text);
    assert(usage.completion_tokens > 0);
  });
  await check(`streamed response (${model})`, async () => {
    const asked = { model, input: "What is 2+2?", max_output_tokens: 16, stream: true };
    const types = [];
    for await (const event of await client.responses.create(asked)) types.push(event.type);
    assert.equal(types[0], "response.created");
    assert(["response.completed", "response.incomplete"].includes(types.at(-1)));
  });
}

await check("tool call", async () => {
  const first = await client.chat.completions.create({ model: "scripted", messages, tools });
  const said = first.choices[0].message;
  assert.deepEqual(JSON.parse(said.tool_calls[0].function.arguments), { city: "Paris" });
  const result = { role: "tool", tool_call_id: said.tool_calls[0].id, content: "sunny" };
  const second = await client.chat.completions.create({
    model: "scripted",
    messages: [...messages, said, result],
    tools,
  });
  assert.equal(second.choices[0].message.content, "The tool said: sunny");
});

await check("streamed tool call, run by the SDK", async () => {
  const runnable = { name: "weather", parameters, parse: JSON.parse, function: ({ city }) => `sunny in ${city}` };
  const runner = client.chat.completions.runTools({
    model: "scripted",
    messages,
    stream: true,
    tools: [{ type: "function", function: runnable }],
  });
  assert.equal(await runner.finalContent(), "The tool said: sunny in Paris");
});

await check("structured output", async () => {
  const response_format = zodResponseFormat(Person, "person");
  const answer = await client.chat.completions.parse({ model: "scripted", messages, response_format });
  assert.deepEqual(answer.choices[0].message.parsed, ADA);
});

await check("embeddings, base64 unseen", async () => {
  const answer = await client.embeddings.create({ model: "plain", input: ["a", "b"] });
  assert.deepEqual([...answer.data[1].embedding], [0.25, -0.5, 1]);
});

await check("models", async () => {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  assert(names.includes("scripted"));
});

await check("404 for an unknown model", async () => {
  const call = client.chat.completions.create({ model: "nobody", messages });
  await assert.rejects(call, (error) => error instanceof OpenAI.NotFoundError && error.code === "model_not_found");
});

await check("429 with Retry-After", async () => {
  const call = client.chat.completions.create({ model: "throttled", messages });
  const told = (error) => error instanceof OpenAI.RateLimitError && Number(error.headers.get("retry-after")) > 0;
  await assert.rejects(call, told);
});

await check("400 of the model's server", async () => {
  await assert.rejects(client.chat.completions.create({ model: "picky", messages }), OpenAI.BadRequestError);
});

await check("response", async () => {
  const answer = await client.responses.create({ model: "scripted", input: "What is 2+2?" });
  assert.equal(answer.output_text, "Hello from the scripted model.");
});

await check("structured response", async () => {
  const text = { format: zodTextFormat(Person, "person") };
  const answer = await client.responses.parse({ model: "scripted", input: "Who?", text });
  assert.deepEqual(answer.output_parsed, ADA);
});
