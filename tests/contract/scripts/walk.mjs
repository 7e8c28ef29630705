// A walk through the API as a program on Node makes it: `node walk.mjs URL KEY`, beside an installed `openai`.
// Its stream helper throws when an event is out of order. Prints `ok` at the end.

import assert from "node:assert/strict";
import OpenAI, { AzureOpenAI, NotFoundError, toFile } from "openai";

const [url, key] = process.argv.slice(2);
const code = { type: "code_interpreter" };
const weather = { type: "function", function: { name: "weather" } };

async function bytes(response) {
  return Buffer.from(await response.arrayBuffer());
}

/** Files and assistants; gives an analyst who has the file. */
async function assistantsAndFiles(client) {
  const file = await client.files.create({
    file: await toFile(Buffer.from("a,b\n1,2\n3,4\n"), "נתונים.csv"),
    purpose: "assistants",
  });
  assert.equal(file.filename, "נתונים.csv");
  assert.equal((await bytes(await client.files.content(file.id))).toString(), "a,b\n1,2\n3,4\n");
  const assistant = await client.beta.assistants.create({
    model: "m",
    tools: [code, weather],
    tool_resources: { code_interpreter: { file_ids: [file.id] } },
  });
  assert.deepEqual(assistant.tool_resources.code_interpreter.file_ids, [file.id]);
  assert.equal((await client.beta.assistants.update(assistant.id, { name: "b" })).name, "b");
  for await (const each of client.beta.assistants.list({ limit: 1 })) {
    if (each.id === assistant.id) return assistant;
  }
  assert.fail("the assistant is not in the list");
}

/** Threads and messages. */
async function threadsAndMessages(client) {
  const threads = client.beta.threads;
  const thread = await threads.create({ messages: [{ role: "user", content: "one" }] });
  await threads.messages.create(thread.id, { role: "user", content: "two" });
  const said = [];
  for await (const each of threads.messages.list(thread.id, { limit: 1 })) said.push(each.content[0].text.value);
  assert.deepEqual(said, ["two", "one"]);
  assert.equal((await threads.delete(thread.id)).deleted, true);
  await assert.rejects(threads.retrieve(thread.id), NotFoundError);
}

/** Code is run and streamed; its picture and its file come back. */
async function aStreamWithCode(client, assistant) {
  const threads = client.beta.threads;
  const thread = await threads.create({ messages: [{ role: "user", content: "analyse" }] });
  const seen = { text: "", code: "", pictures: [] };
  const stream = threads.runs
    .stream(thread.id, { assistant_id: assistant.id })
    .on("textDelta", (delta) => (seen.text += delta.value ?? ""))
    .on("toolCallDelta", (delta) => (seen.code += delta.code_interpreter?.input ?? ""))
    .on("imageFileDone", (picture) => seen.pictures.push(picture.file_id));
  const run = await stream.finalRun();
  assert.equal(run.status, "completed");
  const steps = await stream.finalRunSteps();
  assert.deepEqual(steps.map((step) => step.type), ["message_creation", "tool_calls", "message_creation"]);
  assert.equal(steps[1].step_details.tool_calls[0].code_interpreter.input, seen.code);
  const closing = (await stream.finalMessages()).at(-1);
  const [picture, text] = closing.content;
  assert.deepEqual(seen.pictures, [picture.image_file.file_id]);
  assert.ok(seen.text.endsWith(text.text.value));
  const [annotation] = text.text.annotations;
  const value = text.text.value.slice(annotation.start_index, annotation.end_index);
  assert.equal(value, annotation.text);
  assert.equal((await bytes(await client.files.content(picture.image_file.file_id)))[0], 0x89);
  assert.match((await bytes(await client.files.content(annotation.file_path.file_id))).toString(), /^,a,b\n/);
  return thread;
}

/** Functions are asked for in one stream and answered in another; a run is cancelled. */
async function functionsAndACancel(client, assistant, thread) {
  const runs = client.beta.threads.runs;
  await client.beta.threads.messages.create(thread.id, { role: "user", content: "weather" });
  const waiting = await runs.stream(thread.id, { assistant_id: assistant.id }).finalRun();
  assert.equal(waiting.status, "requires_action");
  const calls = waiting.required_action.submit_tool_outputs.tool_calls;
  const answered = runs.submitToolOutputsStream(waiting.id, {
    thread_id: thread.id,
    tool_outputs: calls.map((call) => ({ tool_call_id: call.id, output: "sunny" })),
  });
  assert.equal((await answered.finalMessages())[0].content[0].text.value, "It is sunny and sunny.");
  await client.beta.threads.messages.create(thread.id, { role: "user", content: "wait" });
  const run = await runs.create(thread.id, { assistant_id: assistant.id });
  assert.equal((await runs.cancel(run.id, { thread_id: thread.id })).status, "cancelling");
  assert.equal((await runs.poll(run.id, { thread_id: thread.id })).status, "cancelled");
}

const clients = [
  new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 }),
  new OpenAI({ baseURL: `${url}/openai/v1`, apiKey: key, maxRetries: 0 }),
  new AzureOpenAI({ endpoint: url, apiVersion: "2024-05-01-preview", apiKey: key, maxRetries: 0 }),
];
for (const client of clients) {
  const assistant = await assistantsAndFiles(client);
  await threadsAndMessages(client);
  const thread = await aStreamWithCode(client, assistant);
  await functionsAndACancel(client, assistant, thread);
  assert.equal((await client.beta.assistants.delete(assistant.id)).deleted, true);
}
console.log("ok");
