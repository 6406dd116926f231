"""What an answer is worth: whether it obeys what physics asks of it."""
