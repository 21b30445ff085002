"""The paper's semi-synthetic experiments: ground truths, outcome problems, methods, scores, tables and figures."""
