"""Leading eigenpairs of a graph: exact, and by the Nyström approximation."""
