// Chats with several models through the unified endpoint, whole and streamed, with OpenAI's SDK; prints one JSON line.

import OpenAI from "openai";

const client = new OpenAI({
  baseURL: process.env.KEYWARD_BASE,
  apiKey: process.env.KEYWARD_TOKEN,
  maxRetries: 0,
});
const messages = [{ role: "user", content: "Say hello." }];

const told = [];
for (const model of JSON.parse(process.env.KEYWARD_MODELS)) {
  const { data, response } = await client.chat.completions.create({ model, messages }).withResponse();
  let chunks = 0;
  let streamed = "";
  for await (const chunk of await client.chat.completions.create({ model, messages, stream: true })) {
    chunks += 1;
    streamed += chunk.choices[0]?.delta?.content ?? "";
  }
  told.push({
    chat: data.choices[0].message.content,
    provider: response.headers.get("cf-aig-provider"),
    model: response.headers.get("cf-aig-model"),
    step: response.headers.get("cf-aig-step"),
    stream_chunks: chunks,
    streamed,
  });
}

let refused = null;
try {
  await client.chat.completions.create({ model: "nobody/model", messages });
} catch (error) {
  if (!(error instanceof OpenAI.APIError)) throw error;
  refused = error.status;
}

const listed = [];
for await (const model of client.models.list()) listed.push(model.id);
console.log(JSON.stringify({ told, refused, listed }));
