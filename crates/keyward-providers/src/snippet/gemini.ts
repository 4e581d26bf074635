import { GoogleGenAI } from "@google/genai"; // npm install @google/genai

const client = new GoogleGenAI({
  apiKey: process.env.KEYWARD_TOKEN,
  httpOptions: { baseUrl: "{base}" },
});
const answer = await client.models.generateContent({ model: "{model}", contents: "Say hello" });
console.log(answer.text);
