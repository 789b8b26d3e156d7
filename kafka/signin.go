package kafka

import "github.com/aetherlink/tidemark/kafka/signin"

// TLS says how connections are encrypted.
type TLS = signin.TLS

// SASL says how we sign in.
type SASL = signin.SASL
