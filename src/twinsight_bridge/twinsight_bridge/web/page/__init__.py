"""The landing page: what operators see in a browser."""
