"""Training rows for the tests."""

import json


def chat(question="Hi", answer="Hello"):
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def jsonl(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def good(count=10):
    """As many rows that differ from one another."""
    return [chat(f"Question {number}: 华北地区?", f"Answer {number}") for number in range(count)]
