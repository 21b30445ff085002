"""Energies log f_k: one small protocol, several families."""
