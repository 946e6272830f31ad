"""Gradients of the embedding with respect to the features."""
