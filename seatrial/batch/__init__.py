"""Scoring a whole table of rows, beside the serving of one: files in, answers and a lookup table out."""
