// Package kafkatest gives tests a real Apache Kafka: one or three brokers on free
// ports of this machine, which end with the test, can be killed, frozen and
// restarted, and tell by their own command-line tool what each group's lag is.
//
// It hides how the brokers are fetched, configured and started (the script kafka,
// which works from a shell as well). It never speaks Kafka's protocol itself.
//
// A test that needs no more than some broker uses those that TIDEMARK_TEST_BROKERS
// names (host:port,…), if it is set; KAFKA_HOME says where a Kafka is unpacked.
// Without Java and Maven the tests are skipped, unless TIDEMARK_INTEGRATION is
// set: then they fail and say what to install.
//
// May change at any time: it is for the tests of this module.
package kafkatest
