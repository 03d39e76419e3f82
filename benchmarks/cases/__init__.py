"""The cases of `make bench`, a module each: `TITLE`, and `measured()`, which gives the text of its section."""
