"""Other crawlers on the same virtual web in the same run: `python -m bench.peers`.

Rule: a peer is one small file that runs in an environment of its own and imports nothing of Linkmill. It reads a line
of JSON from standard input (`seeds`, `proxy`, `output`, `variant`), crawls every page that `<a>` and `<area>` lead to,
with the virtual web as its HTTP proxy (so that no crawler needs its names resolved), and writes into the folder
`output` a JSON line a link, or a page with its `links`: page, target, anchor, rel. Before it begins it prints one line,
the CPU seconds that loading took. What it fetched is counted by the web's log, not by the peer.
"""
