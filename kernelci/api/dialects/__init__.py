"""The forms of the API that clients speak, and the way between each and the canonical one, which is v2.

`choice` tells which form a request has, `requests` lets it in, `objects` shows answers and events. Pure functions.
"""
