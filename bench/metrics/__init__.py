"""The metrics part measured: blobs beside PostgreSQL, samples end to end, latency."""
