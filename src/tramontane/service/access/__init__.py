"""Who may ask what: tokens, and those of an OpenID provider."""
