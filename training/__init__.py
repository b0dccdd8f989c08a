"""Training: from rendered play to a bundle. Workers never import this package or torch."""
