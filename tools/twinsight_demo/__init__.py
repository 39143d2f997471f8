"""The demo: the whole main job with real parts, and a comparison of what came back."""
