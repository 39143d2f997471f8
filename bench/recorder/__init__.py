"""The recorder under load, beside a plain MCAP file and the bare store."""
