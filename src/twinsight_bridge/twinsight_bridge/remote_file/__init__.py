"""A selection of the store as one MCAP file that is never written: it is read by range."""
