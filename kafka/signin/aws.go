package signin

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/aws"
)

// keepIdentity is how long an AWS identity is used for further sign-ins: a cluster
// of thirty brokers asks once and not thirty times.
const keepIdentity = time.Minute

// aws signs in to Amazon MSK with an identity that comes from where all of AWS'
// tools take theirs: environment, files, web identity, container, instance. The
// region is the one in the broker's name, or else that of AWS_REGION.
func (o Options) aws() sasl.Mechanism {
	return aws.ManagedStreamingIAM(keep("aws identity", o.Log, o.identify).get)
}

func (o Options) identify(ctx context.Context, _ *credential[aws.Auth]) (*credential[aws.Auth], error) {
	ctx, cancel := context.WithTimeout(ctx, o.Deadline)
	defer cancel()
	found, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("sasl: read aws configuration: %w", err)
	}
	identity, err := found.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("sasl: find aws credentials: %w", err)
	}
	return &credential[aws.Auth]{
		value:   aws.Auth{AccessKey: identity.AccessKeyID, SecretKey: identity.SecretAccessKey, SessionToken: identity.SessionToken, UserAgent: "tidemark"},
		renew:   time.Now().Add(keepIdentity),
		expires: identity.Expires, // zero if it does not
	}, nil
}
