"""One self-contained HTML page about a study: the design, its answers, and what data say."""
