"""Look inside vision models from Jupyter: Normalized Cut embeddings in linked, live widgets."""
