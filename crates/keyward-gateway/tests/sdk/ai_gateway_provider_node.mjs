// Cloudflare's provider for the AI SDK: one model, a route, a fall-back, a stream, and a token that is none. It has the
// reference's host built in, so its fetch is led to the gateway. Prints one JSON line.

import { generateText, streamText } from "ai";
import { AiGatewayUnauthorizedError, createAiGateway } from "ai-gateway-provider";
import { createGroq } from "ai-gateway-provider/providers/groq";
import { createOpenAI } from "ai-gateway-provider/providers/openai";
import { createUnified } from "ai-gateway-provider/providers/unified";

const base = new URL(process.env.KEYWARD_BASE);
const [, , accountId, gateway] = base.pathname.split("/");
const steps = [];
const straight = globalThis.fetch;
globalThis.fetch = async (input, init) => {
  const url = new URL(input instanceof Request ? input.url : input);
  if (url.host !== "gateway.ai.cloudflare.com") throw new Error(`asks ${url.host}`);
  const response = await straight(new URL(url.pathname + url.search, base), init);
  steps.push(response.headers.get("cf-aig-step"));
  return response;
};

const opened = (apiKey) => createAiGateway({ accountId, gateway, apiKey });
const aigateway = opened(process.env.KEYWARD_TOKEN);
const openai = createOpenAI();
const groq = createGroq();
const unified = createUnified();
const ask = { prompt: "Say hello.", maxRetries: 0 };

const text = async (model) => (await generateText({ model, ...ask })).text;
const stream = async (model) => {
  let streamed = "";
  for await (const part of streamText({ model, ...ask }).textStream) streamed += part;
  return streamed;
};

const told = {
  single: await text(aigateway(openai.chat("gpt-5"))),
  unified: await text(aigateway(unified("openai/gpt-5"))),
  route: await text(aigateway(unified("dynamic/support"))),
  fallback: await text(aigateway([groq("llama-3.3-70b-versatile"), openai.chat("gpt-5")])),
  stream: await stream(aigateway(openai.chat("gpt-5"))),
  fallback_stream: await stream(aigateway([groq("llama-3.3-70b-versatile"), openai.chat("gpt-5")])),
  route_stream: await stream(aigateway(unified("dynamic/support"))),
};
const made = [...steps];

let unauthorized = false;
try {
  await text(opened("nobody")(openai.chat("gpt-5")));
} catch (error) {
  unauthorized = error instanceof AiGatewayUnauthorizedError;
}
console.log(JSON.stringify({ told, steps: made, unauthorized }));
