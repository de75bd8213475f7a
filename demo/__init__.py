"""Three small domain services over real public data, for the gallery to call.

They know nothing of the gateway: plain HTTP servers that answer JSON, slow and broken on demand.
"""
