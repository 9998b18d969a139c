"""The shared runtime: what every service needs and none owns.

It knows no service. Read `errors` first, then `rpc.server`; `runtime` ties them together.
"""
