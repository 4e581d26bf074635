curl "{base}/v1beta/models/{model}:generateContent" \
  -H "cf-aig-authorization: Bearer $KEYWARD_TOKEN" \
  -H "content-type: application/json" \
  -d '{"contents": [{"parts": [{"text": "Say hello"}]}]}'
