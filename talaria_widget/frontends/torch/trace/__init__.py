"""The trace of one forward: calls, tensors, and values on demand."""
