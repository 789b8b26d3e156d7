package kafka

import "github.com/aetherlink/tidemark/kafka/signin"

// TLS and SASL say how connections are encrypted and how we sign in.
type (
	TLS  = signin.TLS
	SASL = signin.SASL
)
