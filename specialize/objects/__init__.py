"""Object storage: addresses, buckets, what is kept of them here, and who writes.

``address`` maps an address such as ``s3://bucket/run/responses/x`` to a directory of this machine,
``bucket`` reads and writes objects through fsspec, ``cache`` bounds what is kept here, and
``lease`` lets one machine write at a time.
"""
