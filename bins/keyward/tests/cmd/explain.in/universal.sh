curl "http://127.0.0.1:8787/v1/$KEYWARD_ACCOUNT_ID/default" -H "cf-aig-authorization: Bearer $KEYWARD_TOKEN" -d '[]'
