curl "http://127.0.0.1:8787/client/v4/accounts/$KEYWARD_ACCOUNT_ID/ai/v1/chat/completions" \
  -H "authorization: Bearer $KEYWARD_TOKEN" -d '{"model": "dynamic/support-bot", "messages": []}'
