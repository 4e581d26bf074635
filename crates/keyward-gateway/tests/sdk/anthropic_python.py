"""A message, whole and streamed, with Anthropic's SDK; prints one JSON line."""

import json
import os

from anthropic import Anthropic

token = os.environ["KEYWARD_TOKEN"]
if os.environ["KEYWARD_MODE"] == "slot":
    client = Anthropic(base_url=os.environ["KEYWARD_BASE"], api_key=token, max_retries=0)
else:
    # As Cloudflare's page for this provider shows it: the token in a default header, beside the SDK's own.
    client = Anthropic(
        base_url=os.environ["KEYWARD_BASE"],
        api_key=token,
        default_headers={"cf-aig-authorization": f"Bearer {token}"},
        max_retries=0,
    )

arguments = {
    "model": "claude-test",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "Say hello."}],
}
message = client.messages.create(**arguments)
with client.messages.stream(**arguments) as stream:
    streamed = "".join(stream.text_stream)

print(json.dumps({"message": message.content[0].text, "streamed": streamed}))
