"""A file as one flat list of steps, and what may be believed of it."""
