"""For function authors' tests: an in-process client, stub services, a clock moved by hand."""
