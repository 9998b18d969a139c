"""`python -m docuquery_client.cli`, for where the script `docuquery` is not on the path."""

from docuquery_client.cli import main

main()
