curl "{base}/chat/completions" \
  -H "cf-aig-authorization: Bearer $KEYWARD_TOKEN" \
  -H "content-type: application/json" \
  -d '{"model": "{model}", "messages": [{"role": "user", "content": "Say hello"}]}'
