"""Front ends: each makes a `Graph` of what one framework calls a model."""
