"""Other wires over the same chat completion: pure translations, with no I/O but the store of `responses`.

Each wire turns its request into the body of a chat completion, and the pieces of the chat answer into its own.
"""

RESPONSES_PATH = "/v1/responses"
MESSAGES_PATH = "/v1/messages"
COUNT_TOKENS_PATH = "/v1/messages/count_tokens"
INPUT_TOKENS_PATH = "/v1/responses/input_tokens"
WIRE_PATHS = (RESPONSES_PATH, MESSAGES_PATH, COUNT_TOKENS_PATH, INPUT_TOKENS_PATH)
"""The paths that other wires are asked at."""
