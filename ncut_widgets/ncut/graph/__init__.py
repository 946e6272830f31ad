"""Kernels, nodes, and the affinities between them."""
