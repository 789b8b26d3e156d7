package outbox_test

const asRelay = "OUTBOX_TEST_RELAY"

func runRelay() int { return 0 }
