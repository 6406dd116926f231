"""Surrogates and solvers asked over HTTP: one process on the company's own machine.

`app.create_app` makes the FastAPI application, `run.serve` runs it, `client.connect` asks it from Python. See
``docs/serve.md`` for what a user sees.
"""
