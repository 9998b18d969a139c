"""The ways to write an answer: one adapter a wire format, one kind of event, one kind of error.

`protocol` is what the engine sees; `openai` and `anthropic` speak to models over HTTP; `extractive`
needs none. `errors` says what a failure upstream means, `upstream` times a call and knows where it
stands, `models` holds what is known of models, `registry` builds the configured instances.
"""
