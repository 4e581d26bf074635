// Two calls with a stored key that the provider refuses, with the SDK's own retries; prints one JSON line.

import OpenAI from "openai";

let sent = 0;
const client = new OpenAI({
  baseURL: process.env.KEYWARD_BASE,
  apiKey: process.env.KEYWARD_TOKEN,
  fetch: (...request) => {
    sent += 1;
    return fetch(...request);
  },
});

const told = [];
for (let call = 0; call < 2; call += 1) {
  try {
    const messages = [{ role: "user", content: "Say hello." }];
    await client.chat.completions.create({ model: "gpt-test", messages });
  } catch (error) {
    if (!(error instanceof OpenAI.APIError)) throw error;
    told.push({ status: error.status, message: JSON.stringify(error.error) });
  }
}

console.log(JSON.stringify({ retries: client.maxRetries, sent, told }));
