"""The statements of the questions, one a file, over the tables of one generation.

`position` numbers the rows of an answer in its order: a page of an answer is the rows after one position.
"""
