"""Learning while acting (DESIGN §5): from transitions to new weights. Imports nothing from the drivers."""
