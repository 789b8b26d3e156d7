package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aetherlink/tidemark/relay"
)

// ports are where the service is reached.
type ports struct {
	public, admin net.Listener // admin nil: at the public one
	tls           *tls.Config  // nil: the public port is not encrypted
}

// openPorts opens what is set.
func openPorts(ctx context.Context, s settings) (p ports, err error) {
	if s.cert != "" {
		certificate, err := tls.LoadX509KeyPair(s.cert, s.key)
		if err != nil {
			return p, fmt.Errorf("load the certificate to serve with: %w", err)
		}
		p.tls = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	}
	listen := net.ListenConfig{Control: forgetSilentPeers}
	if p.public, err = listen.Listen(ctx, "tcp", s.listen); err != nil {
		return p, err
	}
	if s.adminListen != "" {
		if p.admin, err = listen.Listen(ctx, "tcp", s.adminListen); err != nil {
			return p, errors.Join(err, p.public.Close())
		}
	}
	return p, nil
}

func (p ports) close() {
	_ = p.public.Close() // the server has closed it, if it was there
	if p.admin != nil {
		_ = p.admin.Close()
	}
}

// serve serves at the ports for as long as run runs.
func (p ports) serve(parts *errgroup.Group, service *relay.Service, run func() error) {
	public, admin := server(service.Handler()), server(service.Admin())
	if p.admin != nil {
		public.Handler = service.Public()
	}
	public.TLSConfig = p.tls
	parts.Go(func() error {
		defer admin.Close()
		defer public.Close()
		return run()
	})
	parts.Go(func() error {
		if p.tls != nil {
			return ended(public.ServeTLS(p.public, "", ""))
		}
		return ended(public.Serve(p.public))
	})
	if p.admin != nil {
		parts.Go(func() error { return ended(admin.Serve(p.admin)) })
	}
}

// server speaks HTTP/1.1 and 2, the latter also without encryption, for proxies on
// the same machine.
func server(h http.Handler) *http.Server {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10, Protocols: new(http.Protocols)}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetHTTP2(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	return s
}

func ended(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
