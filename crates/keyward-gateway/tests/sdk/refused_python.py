"""Two calls with a stored key that the provider refuses, with the SDK's own retries; prints one JSON line."""

import json
import os

import httpx2

sent = []
http = httpx2.Client(event_hooks={"request": [lambda request: sent.append(request.url.path)]})
common = {
    "base_url": os.environ["KEYWARD_BASE"],
    "api_key": os.environ["KEYWARD_TOKEN"],
    "http_client": http,
}
if os.environ["KEYWARD_SDK"] == "openai":
    import openai

    client = openai.OpenAI(**common)
    messages = [{"role": "user", "content": "Say hello."}]
    call = lambda: client.chat.completions.create(model="gpt-test", messages=messages)
    failure = openai.APIStatusError
else:
    import anthropic

    client = anthropic.Anthropic(**common)
    messages = [{"role": "user", "content": "Say hello."}]
    call = lambda: client.messages.create(model="claude-test", max_tokens=9, messages=messages)
    failure = anthropic.APIStatusError

told = []
for _ in range(2):
    try:
        call()
    except failure as error:
        told.append({"status": error.status_code, "message": error.response.json()["message"]})

print(json.dumps({"retries": client.max_retries, "sent": len(sent), "told": told}))
