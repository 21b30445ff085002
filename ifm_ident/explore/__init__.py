"""One self-contained page on which a design is changed by hand and every answer follows, exactly, at once.

`page` puts a study, the scripts and the style together. The engine is JavaScript: `algebra.js` decides in whole
numbers, `reading.js` and `study.js` read and write study files, `graphs.js` lays out pictures, `drawing.js`,
`cards.js` and `page.js` show it all. Tests hold it against `ifm_ident.solve`.
"""
