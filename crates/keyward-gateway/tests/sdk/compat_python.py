"""Chats with several models through the unified endpoint, whole and streamed, with OpenAI's SDK; prints one JSON line."""

import json
import os

from openai import APIStatusError, OpenAI

client = OpenAI(base_url=os.environ["KEYWARD_BASE"], api_key=os.environ["KEYWARD_TOKEN"], max_retries=0)
messages = [{"role": "user", "content": "Say hello."}]

told = []
for model in json.loads(os.environ["KEYWARD_MODELS"]):
    raw = client.chat.completions.with_raw_response.create(model=model, messages=messages)
    chunks = list(client.chat.completions.create(model=model, messages=messages, stream=True))
    told.append(
        {
            "chat": raw.parse().choices[0].message.content,
            "provider": raw.headers.get("cf-aig-provider"),
            "model": raw.headers.get("cf-aig-model"),
            "step": raw.headers.get("cf-aig-step"),
            "stream_chunks": len(chunks),
            "streamed": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices),
        }
    )

refused = None
try:
    client.chat.completions.create(model="nobody/model", messages=messages)
except APIStatusError as error:
    refused = error.status_code

listed = [model.id for model in client.models.list()]
print(json.dumps({"told": told, "refused": refused, "listed": listed}))
