import Anthropic from "@anthropic-ai/sdk"; // npm install @anthropic-ai/sdk

const client = new Anthropic({
  baseURL: "{base}",
  apiKey: process.env.KEYWARD_TOKEN,
});
const answer = await client.messages.create({
  model: "{model}",
  max_tokens: 64,
  messages: [{ role: "user", content: "Say hello" }],
});
const first = answer.content[0];
console.log(first.type === "text" ? first.text : first.type);
