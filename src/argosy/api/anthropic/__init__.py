"""Routes that Anthropic has, on its wire."""
