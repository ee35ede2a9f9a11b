"""Native code on files that nobody has validated, in a child process."""
