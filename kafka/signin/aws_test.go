package signin_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/aetherlink/tidemark/kafka/signin"
)

// TestAnAWSIdentityIsShownAsMSKWantsIt has a broker's side that signs what Amazon
// documents with Amazon's own library, and compares. NOT VERIFIED against a real
// Amazon MSK.
func TestAnAWSIdentityIsShownAsMSKWantsIt(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "credentials")
	for name, value := range map[string]string{
		"AWS_REGION": "eu-north-1", "AWS_SHARED_CREDENTIALS_FILE": file, "AWS_CONFIG_FILE": filepath.Join(dir, "none"),
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		identity := aws.Credentials{AccessKeyID: "AKIDFIRST", SecretAccessKey: "hush", SessionToken: "session"}
		serve(t, door{mechanism: "AWS_MSK_IAM", admit: func(shown []byte) ([]byte, time.Time, error) {
			return []byte(`{"version":"2020_10_22"}`), time.Now().Add(10 * time.Minute), identified(t, shown, identity)
		}}.behind(&network))
		client := connect(t, &network, signin.TLS{}, signin.SASL{Mechanism: "aws-msk-iam"})
		if look(t.Context(), client) == nil {
			t.Error("signed in without an identity")
		}
		write(t, file, credentials(identity))
		failed := lookFor(t, client, 5*time.Minute)
		identity = aws.Credentials{AccessKeyID: "AKIDSECOND", SecretAccessKey: "other", SessionToken: "session"}
		write(t, file, credentials(identity))
		if failed += lookFor(t, client, time.Hour); failed > 0 {
			t.Errorf("%d looks failed, want none", failed)
		}
	})
}

func credentials(c aws.Credentials) string {
	return fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s\n", c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
}

// identified checks what a client has shown: a presigned question to connect
// (Signature Version 4), as an object of lower-case names.
func identified(t *testing.T, shown []byte, identity aws.Credentials) error {
	t.Helper()
	var said map[string]string
	if err := json.Unmarshal(shown, &said); err != nil {
		return err
	}
	at, err := time.Parse("20060102T150405Z", said["x-amz-date"])
	if err != nil || time.Since(at).Abs() > time.Minute || said["version"] != "2020_10_22" || said["action"] != "kafka-cluster:Connect" {
		return fmt.Errorf("said %v", said)
	}
	ask := url.URL{Scheme: "https", Host: said["host"], Path: "/", RawQuery: url.Values{
		"Action": {said["action"]}, "X-Amz-Expires": {said["x-amz-expires"]},
	}.Encode()}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, ask.String(), nil)
	if err != nil {
		return err
	}
	const nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), identity, req, nothing, "kafka-cluster", "eu-north-1", at)
	if err != nil {
		return err
	}
	want, err := url.Parse(signed)
	if err != nil {
		return err
	}
	if want.Query().Get("X-Amz-Signature") != said["x-amz-signature"] {
		return errors.New("the signature is another")
	}
	return nil
}
