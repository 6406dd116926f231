"""What is drawn of a case, from what a view shows to the bytes and the browser's picture."""
