"""`python -m crawler` is `linkmill`."""

from crawler.cli import main

main()
