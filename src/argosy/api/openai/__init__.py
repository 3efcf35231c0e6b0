"""Routes that OpenAI has too, one file per noun, on its wire."""
