"""Answers in parts: a folder of files and a manifest, by processes or machines, taken up again when killed."""

from ifm_ident.parts.asked import Asked
from ifm_ident.parts.running import identify_in_parts, in_processes, in_this_process

__all__ = ["Asked", "identify_in_parts", "in_processes", "in_this_process"]
