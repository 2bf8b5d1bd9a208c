"""``hocket play``: a person plays a Game Boy game in the terminal or in a window."""
