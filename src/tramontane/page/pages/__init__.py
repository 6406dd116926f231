"""The pages, one a module, each with `register`."""
