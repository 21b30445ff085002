"""Simulators with known truth: Gaussian, discrete and mechanistic models that can be asked about every regime."""
