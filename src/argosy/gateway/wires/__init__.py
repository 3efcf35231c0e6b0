"""Other wires over the same chat completion: pure translations, with no I/O but the store of `responses`.

Each wire turns its request into the body of a chat completion, and the pieces of the chat answer into its own.
"""

RESPONSES_PATH = "/v1/responses"
MESSAGES_PATH = "/v1/messages"
WIRE_PATHS = (RESPONSES_PATH, MESSAGES_PATH)
"""The paths that other wires are asked at."""
