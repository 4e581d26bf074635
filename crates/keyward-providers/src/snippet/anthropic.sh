curl "{base}/v1/messages" \
  -H "cf-aig-authorization: Bearer $KEYWARD_TOKEN" \
  -H "anthropic-version: 2023-06-01" \
  -H "content-type: application/json" \
  -d '{"model": "{model}", "max_tokens": 64, "messages": [{"role": "user", "content": "Say hello"}]}'
