"""Files into studies: YAML nodes that know their line, tables, the fields of a study."""
