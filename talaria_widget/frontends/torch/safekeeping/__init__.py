"""The user's model comes back as it was."""
