"""Layout, writing and querying of robot data in ReductStore, TimescaleDB and Redis."""
