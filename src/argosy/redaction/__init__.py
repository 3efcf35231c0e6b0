"""Personal data and secrets taken out of text before it is kept: what is found, and the process that looks for it.

`rules` finds, `document` replaces, `worker` does both in a process of its own, which `redactor` starts and asks. The
worker imports nothing else of ours, so that it is small.
"""
