"""What studies stand on: design spaces, goals, who answers, what is learnt of the answers, and what is asked next."""
