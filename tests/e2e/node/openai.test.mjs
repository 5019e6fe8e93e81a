// Run by tests/e2e/test_node_sdk.py, which sets STREAMKEEPER_URL.
import assert from 'node:assert/strict';
import test from 'node:test';

import OpenAI, {toFile} from 'openai';

const client = new OpenAI({
  baseURL: process.env.STREAMKEEPER_URL + '/v1',
  apiKey: 'unused',
  maxRetries: 0,
  timeout: 30_000,
});
const messages = [{role: 'user', content: 'Say something about rivers.'}];
const tools = [{
  type: 'function',
  function: {
    name: 'get_weather',
    parameters: {type: 'object', properties: {city: {type: 'string'}}, required: ['city']},
  },
}];

test('chat', async () => {
  const answer = await client.chat.completions.create({model: 'mock-1', messages});
  assert.ok(answer.choices[0].message.content);
  assert.equal(answer.choices[0].finish_reason, 'stop');
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
});

test('a chat stream has the text of the plain answer', async () => {
  const plain = await client.chat.completions.create({model: 'mock-1', messages});
  let text = '';
  const usages = [];
  for await (const chunk of await client.chat.completions.create({model: 'mock-1', messages, stream: true})) {
    text += chunk.choices[0]?.delta?.content ?? '';
    if (chunk.usage) usages.push(chunk.usage);
  }
  assert.equal(text, plain.choices[0].message.content);
  assert.deepEqual(usages, [], 'usage that the client did not ask for is hidden');
});

test('a stream that the client leaves does not disturb the next request', async () => {
  const stream = await client.chat.completions.create({model: 'mock-1', messages, stream: true});
  for await (const chunk of stream) {
    assert.ok(chunk);
    break;
  }
  const answer = await client.chat.completions.create({model: 'mock-1', messages});
  assert.ok(answer.choices[0].message.content);
});

test('responses', async () => {
  const answer = await client.responses.create({model: 'mock-1', input: 'Say something about rivers.'});
  assert.equal(answer.status, 'completed');
  assert.ok(answer.output_text);
});

test('a responses stream ends with the whole response', async () => {
  let text = '', last;
  for await (const event of await client.responses.create({model: 'mock-1', input: 'Rivers, please.', stream: true})) {
    if (event.type === 'response.output_text.delta') text += event.delta;
    last = event;
  }
  assert.equal(last.type, 'response.completed');
  assert.ok(text);
  const parts = last.response.output.flatMap((item) => item.content ?? []);
  assert.equal(parts.map((part) => part.text ?? '').join(''), text);
});

test('embeddings', async () => {
  const answer = await client.embeddings.create({model: 'mock-embed', input: ['one', 'two']});
  assert.equal(answer.data.length, 2);
  assert.ok(answer.data[0].embedding.length > 1);
});

test('a tool call', async () => {
  const asked = [{role: 'user', content: 'Use the tool to look up the weather in Bonn.'}];
  const plain = await client.chat.completions.create({model: 'mock-1', messages: asked, tools});
  const call = plain.choices[0].message.tool_calls[0];
  assert.equal(call.function.name, 'get_weather');
  const stream = client.chat.completions.stream({model: 'mock-1', messages: asked, tools});
  const final = await stream.finalChatCompletion();
  const streamed = final.choices[0].message.tool_calls[0].function.arguments;
  assert.deepEqual(JSON.parse(streamed), JSON.parse(call.function.arguments));
});

test('an audio upload', async () => {
  const file = await toFile(Buffer.alloc(400_000, 'sound'), 'speech.wav');
  const answer = await client.audio.transcriptions.create({model: 'mock-voice', file});
  assert.ok(answer.text);
});

test('the model list', async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.ok(ids.includes('mock-1'));
});

test('an unknown model is the error that the SDK knows', async () => {
  await assert.rejects(
      client.chat.completions.create({model: 'no-such-model', messages}),
      (error) => error instanceof OpenAI.NotFoundError && error.code === 'model_not_found');
});

test('wrong JSON is answered with line and column', async () => {
  const request = client.post('/chat/completions', {
    body: '{"model": "mock-1",\n  oops}',
    headers: {'content-type': 'application/json'},
  });
  await assert.rejects(
      request, (error) => error instanceof OpenAI.BadRequestError && /line 2\b.*column 3\b/.test(error.message));
});
