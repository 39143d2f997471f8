"""The replay under load: its timing, its speed, and how soon it plays from another time."""
