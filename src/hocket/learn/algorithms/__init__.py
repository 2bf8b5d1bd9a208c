"""Learning algorithms: DQN, Rainbow and their losses."""
