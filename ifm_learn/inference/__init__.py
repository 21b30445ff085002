"""Inference in a fitted model on a grid: exact by junction tree where the graph allows, elsewhere by Gibbs."""
