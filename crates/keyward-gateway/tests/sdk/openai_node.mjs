// Chat, streaming, embeddings and a multipart upload with OpenAI's SDK; prints one JSON line.

import OpenAI, { toFile } from "openai";

const token = process.env.KEYWARD_TOKEN;
const client =
  process.env.KEYWARD_MODE === "slot"
    ? new OpenAI({ baseURL: process.env.KEYWARD_BASE, apiKey: token, maxRetries: 0 })
    : // The SDK insists on a key; its header is left out, and the token stands in the header made for it.
      new OpenAI({
        baseURL: process.env.KEYWARD_BASE,
        apiKey: "unused",
        defaultHeaders: { "cf-aig-authorization": `Bearer ${token}`, Authorization: null },
        maxRetries: 0,
      });

const messages = [{ role: "user", content: "Say hello." }];
const chat = await client.chat.completions.create({ model: "gpt-test", messages });
let chunks = 0;
let streamed = "";
for await (const chunk of await client.chat.completions.create({ model: "gpt-test", messages, stream: true })) {
  chunks += 1;
  streamed += chunk.choices[0]?.delta?.content ?? "";
}
const embedding = await client.embeddings.create({ model: "embed-test", input: "hello" });
const upload = await client.files.create({
  file: await toFile(Buffer.alloc(300_000, "x"), "data.jsonl"),
  purpose: "batch",
});

console.log(
  JSON.stringify({
    chat: chat.choices[0].message.content,
    stream_chunks: chunks,
    streamed,
    embedding_length: embedding.data[0].embedding.length,
    upload_bytes: upload.bytes,
  }),
);
