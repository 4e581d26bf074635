curl https://api.openai.com/v1/models -H "Authorization: Bearer $KEYWARD_TOKEN"
