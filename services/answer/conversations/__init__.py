"""The last turns of each conversation, by tenant: in this process, or in Redis when replicas share them."""
