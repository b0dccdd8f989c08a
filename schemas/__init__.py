"""Wire contracts: what crosses a process boundary. Imports pydantic and nothing else."""
