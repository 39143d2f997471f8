"""The bridge under load: what it adds to DDS, what it carries, what it costs and holds."""
