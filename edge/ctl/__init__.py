"""edgectl, the operator's tool, and the only place where operator keys are.

Promises: what people read goes to stderr and what programs read to stdout; nothing the
hub says is believed unless a signature says it too, except where it is only shown; a
number is on this machine's disk before a document that carries it leaves; a command
that ends early says what goes on without it.
"""
