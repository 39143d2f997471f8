"""The HTTP side: what is live and what is stored, for scripts and web pages."""
