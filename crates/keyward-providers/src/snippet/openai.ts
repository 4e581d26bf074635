import OpenAI from "openai"; // npm install openai

const client = new OpenAI({
  baseURL: "{base}",
  apiKey: process.env.KEYWARD_TOKEN,
});
const answer = await client.chat.completions.create({
  model: "{model}",
  messages: [{ role: "user", content: "Say hello" }],
});
console.log(answer.choices[0].message.content);
