import os

print(os.environ["OPENAI_BASE_URL"])
print(os.environ["OPENAI_API_KEY"] == os.environ["KEYWARD_TOKEN"])
