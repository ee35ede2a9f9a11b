"""Inputs of a forward: checked where given, made up where not."""
