"""The table of torch functions: kinds, and how arguments become operands."""
