"""Records raw topics and bags into ReductStore, loss-free and without decoding."""
