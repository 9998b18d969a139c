"""Runs the ingest service: `python -m services.ingest`."""

if __name__ == "__main__":
    # Imported here because every worker process imports this module too, and needs none of it.
    from libs.runtime import run
    from services.ingest.app import start
    from services.ingest.settings import Settings

    run(start, Settings, "ingest")
