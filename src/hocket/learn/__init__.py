"""Learning while acting: from transitions to new weights. Imports nothing from the drivers."""
