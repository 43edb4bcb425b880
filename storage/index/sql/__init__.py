"""The statements of an index build, one SELECT a file: the file's name is the table or the sorted output it makes."""
