"""Applications on top of any model: today the charts of "ask data"; assistants, tools and recipes come to live here."""
