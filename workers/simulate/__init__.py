"""Live gameplay streams with exact ground truth, for the demo, tests and training."""
