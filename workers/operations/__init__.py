"""What an operator runs beside the worker: topics, dead letters, doctor, schemas."""
