"""A small simulated warehouse robot with known ground truth, for demos and tests."""
