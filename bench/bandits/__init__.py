"""Regret of our bandits beside MABWiser's and river's: the same policies, tables of rewards and seeds."""
