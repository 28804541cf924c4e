"""One view per route: parse the request, find the rows, call one verb, respond."""
