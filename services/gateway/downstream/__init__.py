"""The services behind the gateway: typed clients, each guarded by a breaker, slow reads asked twice."""
