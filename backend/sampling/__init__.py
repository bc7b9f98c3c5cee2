"""From logits to a token: the filters of the API document as pure functions of rows, and the chain that orders them."""
