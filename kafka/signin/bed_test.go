package signin_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/aetherlink/tidemark/kafka/signin"
)

// deadline is what the collector gives a broker.
const deadline = 3 * time.Second

// serve starts a broker at localhost:9092.
func serve(t *testing.T, opts ...kfake.Opt) {
	t.Helper()
	c, err := kfake.NewCluster(append(opts, kfake.Ports(9092))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
}

// connect returns a client that is as patient as the collector's.
func connect(t *testing.T, network *kfake.VirtualNetwork, tls signin.TLS, sasl signin.SASL) *kgo.Client {
	t.Helper()
	if err := errors.Join(tls.Validate(), sasl.Validate()); err != nil {
		t.Fatal(err)
	}
	in := signin.Options{TLS: tls, SASL: sasl, Dial: network.DialContext, Deadline: deadline, Log: slog.New(slog.DiscardHandler)}
	client, err := kgo.NewClient(append(in.Client(),
		kgo.SeedBrokers("localhost:9092"), kgo.DisableClientMetrics(),
		kgo.RequestTimeoutOverhead(deadline), kgo.RetryTimeout(deadline), kgo.RequestRetries(1),
	)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// look asks the broker something, as the collector does every 15 s.
func look(ctx context.Context, client *kgo.Client) error {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	_, err := kmsg.NewPtrListGroupsRequest().RequestWith(ctx, client)
	return err
}

// lookFor looks every 15 s for as long, and counts the looks that failed.
func lookFor(t *testing.T, client *kgo.Client, d time.Duration) (failed int) {
	t.Helper()
	for range d / (15 * time.Second) {
		if err := look(t.Context(), client); err != nil {
			t.Log(err)
			failed++
		}
		time.Sleep(15 * time.Second)
	}
	return failed
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// door stands before a broker and lets through what comes on connections that are
// signed in, for as long as their session lasts: the embedded broker knows fewer
// mechanisms.
type door struct {
	net.Listener
	mechanism string
	// admit judges what a client shows.
	admit func(shown []byte) (answer []byte, until time.Time, err error)
}

// behind returns the option of a broker that the door stands before.
func (d door) behind(network *kfake.VirtualNetwork) kfake.Opt {
	return kfake.ListenFn(func(kind, address string) (net.Listener, error) {
		var err error
		d.Listener, err = network.Listen(kind, address)
		return d, err
	})
}

// Accept gives the broker its end of a connection.
func (d door) Accept() (net.Conn, error) {
	client, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	broker, ours := net.Pipe()
	go func() { _, _ = io.Copy(client, ours); _ = client.Close() }()
	go func() { d.guard(client, ours); _ = client.Close(); _ = ours.Close() }()
	return broker, nil
}

// guard hands on requests until one comes that is not allowed.
func (d door) guard(client, broker net.Conn) {
	var until time.Time
	for {
		frame, err := readFrame(client)
		if err != nil {
			return
		}
		r := kbin.Reader{Src: frame[4:]}
		req := kmsg.RequestForKey(r.Int16())
		req.SetVersion(r.Int16())
		corr, _ := r.Int32(), r.NullableString()
		if req.IsFlexible() {
			kmsg.SkipTags(&r)
		}
		switch req := req.(type) {
		case *kmsg.SASLHandshakeRequest:
			err = errors.Join(req.ReadFrom(r.Src), answer(client, corr, d.handshake(req)))
		case *kmsg.SASLAuthenticateRequest:
			if err = req.ReadFrom(r.Src); err == nil {
				var resp kmsg.Response
				resp, until = d.authenticate(req)
				err = answer(client, corr, resp)
			}
		case *kmsg.ApiVersionsRequest:
			_, err = broker.Write(frame)
		default:
			if !time.Now().Before(until) {
				return
			}
			_, err = broker.Write(frame)
		}
		if err != nil {
			return
		}
	}
}

func (d door) handshake(req *kmsg.SASLHandshakeRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.SASLHandshakeResponse)
	resp.SupportedMechanisms = []string{d.mechanism}
	if req.Mechanism != d.mechanism {
		resp.ErrorCode = kerr.UnsupportedSaslMechanism.Code
	}
	return resp
}

func (d door) authenticate(req *kmsg.SASLAuthenticateRequest) (kmsg.Response, time.Time) {
	resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
	answer, until, err := d.admit(req.SASLAuthBytes)
	resp.SASLAuthBytes, resp.SessionLifetimeMillis = answer, time.Until(until).Milliseconds()
	if err != nil {
		resp.ErrorCode, resp.ErrorMessage = kerr.SaslAuthenticationFailed.Code, new(err.Error())
		return resp, time.Time{}
	}
	return resp, until
}

func readFrame(from io.Reader) ([]byte, error) {
	size := make([]byte, 4)
	if _, err := io.ReadFull(from, size); err != nil {
		return nil, err
	}
	frame := make([]byte, 4+binary.BigEndian.Uint32(size))
	copy(frame, size)
	_, err := io.ReadFull(from, frame[4:])
	return frame, err
}

func answer(to io.Writer, corr int32, resp kmsg.Response) error {
	frame := binary.BigEndian.AppendUint32(make([]byte, 4), uint32(corr))
	if resp.IsFlexible() {
		frame = append(frame, 0)
	}
	frame = resp.AppendTo(frame)
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	_, err := to.Write(frame)
	return err
}
