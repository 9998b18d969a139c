"""What a running process tells of itself: metrics for Prometheus, traces for OpenTelemetry.

Both are off until `libs.runtime` turns them on, and cost next to nothing until then.
"""
