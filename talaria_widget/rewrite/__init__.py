"""From choices to a really compressed model: what `apply` writes and what pricing builds."""
