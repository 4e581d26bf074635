"""Chat, streaming, embeddings and a multipart upload with OpenAI's SDK; prints one JSON line."""

import io
import json
import os

from openai import OpenAI, omit

token = os.environ["KEYWARD_TOKEN"]
if os.environ["KEYWARD_MODE"] == "slot":
    client = OpenAI(base_url=os.environ["KEYWARD_BASE"], api_key=token, max_retries=0)
    extra = {}
else:
    # The SDK insists on a key; its header is left out, and the token stands in the header made for it.
    client = OpenAI(base_url=os.environ["KEYWARD_BASE"], api_key="unused", max_retries=0)
    extra = {"extra_headers": {"cf-aig-authorization": f"Bearer {token}", "Authorization": omit}}

messages = [{"role": "user", "content": "Say hello."}]
chat = client.chat.completions.create(model="gpt-test", messages=messages, **extra)
chunks = list(client.chat.completions.create(model="gpt-test", messages=messages, stream=True, **extra))
streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
embedding = client.embeddings.create(model="embed-test", input="hello", **extra)
upload = client.files.create(file=("data.jsonl", io.BytesIO(b"x" * 300_000)), purpose="batch", **extra)

print(
    json.dumps(
        {
            "chat": chat.choices[0].message.content,
            "stream_chunks": len(chunks),
            "streamed": streamed,
            "embedding_length": len(embedding.data[0].embedding),
            "upload_bytes": upload.bytes,
        }
    )
)
