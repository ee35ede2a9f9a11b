"""What is known before a run: shapes, values, stored tensors."""
