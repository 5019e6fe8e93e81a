// Run by tests/e2e/sdk_runs.py: takes calls as lines of JSON, makes each with a JavaScript SDK as users write it, and
// answers with a line: {number, final} or {number, threw}; `hung` if there is no outcome after `limit_ms`.
import readline from 'node:readline';

import Anthropic from '@anthropic-ai/sdk';
import {createOpenAICompatible} from '@ai-sdk/openai-compatible';
import {generateText, jsonSchema, streamText, tool} from 'ai';
import OpenAI from 'openai';

globalThis.AI_SDK_LOG_WARNINGS = false;

const openai = ({url, key, headers}) =>
    new OpenAI({baseURL: url + '/v1', apiKey: key, maxRetries: 0, timeout: 60_000, defaultHeaders: headers});
const anthropic = ({url, key, headers}) =>
    new Anthropic({baseURL: url, apiKey: key, maxRetries: 0, timeout: 60_000, defaultHeaders: headers});
const messages = ({prompt}) => [{role: 'user', content: prompt}];
const chatRequest = (call) => ({
  model: call.model,
  messages: messages(call),
  ...(call.tool ? {tools: [{type: 'function', function: call.tool}]} : {}),
});

function ofCompletion(answer) {
  const {message, finish_reason: finish} = answer.choices[0];
  return {
    text: message.content ?? '',
    reasoning: message.reasoning_content ?? '',
    calls: (message.tool_calls ?? []).map((call) => [call.id, call.function.name, call.function.arguments]),
    finish,
    role: message.role,
    id: answer.id,
    model: answer.model,
    usage: Boolean(answer.usage),
  };
}

async function chat(call) {
  const got = {text: '', reasoning: '', finish: [], role: [], usage: false};
  const calls = [], ids = new Set(), models = new Set();
  const request = {...chatRequest(call), stream: true, stream_options: {include_usage: true}};
  for await (const chunk of await openai(call).chat.completions.create(request)) {
    ids.add(chunk.id);
    models.add(chunk.model);
    got.usage ||= Boolean(chunk.usage);
    for (const choice of chunk.choices) {
      if (choice.delta.role) got.role.push(choice.delta.role);
      if (choice.finish_reason) got.finish.push(choice.finish_reason);
      got.text += choice.delta.content ?? '';
      got.reasoning += choice.delta.reasoning_content ?? '';
      for (const piece of choice.delta.tool_calls ?? []) {
        const one = calls[piece.index] ??= ['', '', ''];
        one[0] += piece.id ?? '';
        one[1] += piece.function?.name ?? '';
        one[2] += piece.function?.arguments ?? '';
      }
    }
  }
  return {...got, calls, id: [...ids].sort(), model: [...models].sort()};
}

// This helper keeps the last piece of a field that it does not know, so its reasoning says nothing.
const chatStream = async (call) =>
    ({...ofCompletion(await openai(call).chat.completions.stream(chatRequest(call)).finalChatCompletion()), reasoning: ''});
const chatPlain = async (call) => ofCompletion(await openai(call).chat.completions.create(chatRequest(call)));

async function responses(call) {
  const request = {model: call.model, input: call.prompt, stream: true};
  if (call.tool) request.tools = [{type: 'function', ...call.tool}];
  let text = '', last;
  for await (const event of await openai(call).responses.create(request)) {
    if (event.type === 'response.output_text.delta') text += event.delta;
    last = event;
  }
  if (last?.type !== 'response.completed') return {text, calls: [], finish: last?.type ?? null};
  const {response} = last;
  const whole = response.output.flatMap((item) => item.content ?? []).map((part) => part.text ?? '').join('');
  const calls = response.output.filter((item) => item.type === 'function_call');
  return {
    text: whole === text ? text : `the deltas say ${text}, the response ${whole}`,
    calls: calls.map((item) => [item.call_id, item.name, item.arguments]),
    finish: response.status ?? null,
    id: response.id ?? null,
    model: response.model ?? null,
    usage: Boolean(response.usage),
  };
}

// What both functions of the AI SDK take, and how its user sees the outcome.
const settings = ({url, key, headers, model, prompt, tool: asked}) => ({
  model: createOpenAICompatible({name: 'mock', baseURL: url + '/v1', apiKey: key, headers, includeUsage: true})(model),
  prompt,
  maxRetries: 0,
  ...(asked ? {tools: {[asked.name]: tool({description: asked.description, inputSchema: jsonSchema(asked.parameters)})}} : {}),
});
const ofText = ({text, reasoning, calls, finish, usage, response}) => ({
  text,
  reasoning: reasoning ?? '',
  calls: calls.map((call) => [call.toolCallId, call.toolName, JSON.stringify(call.input)]),
  finish,
  id: response.id,
  model: response.modelId,
  usage: usage.outputTokens !== undefined,
});

async function aiStream(call) {
  let failure;
  const result = streamText({...settings(call), onError: ({error}) => failure ??= error});
  for await (const part of result.fullStream) {
    if (part.type === 'error') failure ??= part.error;
  }
  if (failure) throw failure;
  return ofText({
    text: await result.text,
    reasoning: await result.reasoningText,
    calls: await result.toolCalls,
    finish: await result.finishReason,
    usage: await result.usage,
    response: await result.response,
  });
}

async function aiPlain(call) {
  const result = await generateText(settings(call));
  return ofText({...result, reasoning: result.reasoningText, calls: result.toolCalls, finish: result.finishReason,
                 text: result.text, usage: result.usage, response: result.response});
}

async function messagesStream(call) {
  const request = {model: call.model, max_tokens: 500, messages: messages(call)};
  if (call.tool) {
    const {name, description, parameters} = call.tool;
    request.tools = [{name, description, input_schema: parameters}];
  }
  const message = await anthropic(call).messages.stream(request).finalMessage();
  const of = (type) => message.content.filter((block) => block.type === type);
  return {
    text: of('text').map((block) => block.text).join(''),
    reasoning: of('thinking').map((block) => block.thinking).join(''),
    calls: of('tool_use').map((block) => [block.id, block.name, JSON.stringify(block.input)]),
    finish: message.stop_reason,
    role: message.role,
    id: message.id,
    model: message.model,
    usage: Boolean(message.usage),
  };
}

const run = {
  'openai-node chat': chat,
  'openai-node chat.stream()': chatStream,
  'openai-node chat, plain': chatPlain,
  'openai-node responses': responses,
  'AI SDK streamText': aiStream,
  'AI SDK generateText': aiPlain,
  'anthropic-node messages.stream()': messagesStream,
};

// A promise that an SDK drops on the floor is no outcome of its own: the call's own promise says it too.
process.on('unhandledRejection', () => {});

async function outcome(call) {
  let timer;
  const late = new Promise((resolve) => timer = setTimeout(() => resolve({hung: true}), call.limit_ms));
  const made = run[call.client](call).then((final) => ({final}), (error) => ({threw: `${error?.name}: ${error?.message}`.slice(0, 200)}));
  const result = await Promise.race([made, late]);
  clearTimeout(timer);
  return {number: call.number, ...result};
}

let waiting = 0, ended = false;
const leave = () => { if (ended && waiting === 0) process.exit(0); };
const lines = readline.createInterface({input: process.stdin});
lines.on('line', async (line) => {
  ++waiting;
  const result = await outcome(JSON.parse(line));
  process.stdout.write(JSON.stringify(result) + '\n', () => { --waiting; leave(); });
});
lines.on('close', () => { ended = true; leave(); });
