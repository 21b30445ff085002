"""Inference in a fitted model on a grid: exact by junction tree where the graph allows, by Gibbs sampling elsewhere."""
