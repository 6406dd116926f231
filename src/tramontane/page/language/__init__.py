"""What the page says: messages, numbers and units in the reader's language."""
