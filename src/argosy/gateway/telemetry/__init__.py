"""What is told of requests, to the people who run the platform: numbers, one line a request, traces. Never content."""
