"""Programs for who develops DocuQuery; the services need none of them."""
