"""Aligned Arrow datasets, anomaly windows and fleet reports from stored robot data."""
