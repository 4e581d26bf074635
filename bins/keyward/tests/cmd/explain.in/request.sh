curl -sN "http://127.0.0.1:8787/v1/$KEYWARD_ACCOUNT_ID/default/echo/chat/completions?trace=1" \
  -H "cf-aig-authorization: Bearer $KEYWARD_TOKEN" \
  -H "content-type: application/json" \
  -H "x-forwarded-for: 192.0.2.1" \
  -d '{"model": "echo", "messages": []}'
