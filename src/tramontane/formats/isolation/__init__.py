"""Reading apart: a damaged file takes nothing else down."""
