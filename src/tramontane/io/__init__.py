"""Files that are whole or not there, locks between runs, and what the system says when it cannot write."""
