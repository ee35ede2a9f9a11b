"""Compilers: a graph made into a program, and its options priced."""
