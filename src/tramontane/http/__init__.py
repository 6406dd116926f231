"""The API: routes on FastAPI, and a client."""
