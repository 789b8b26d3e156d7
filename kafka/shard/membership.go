package shard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// protocolType tells our group from those of consumers and of Connect.
	protocolType = "tidemark"
	// protocol names how groups are dealt: who deals otherwise cannot join.
	protocol = "rendezvous-1"
)

// errRejoin says that the generation has ended.
var errRejoin = errors.New("the members have changed")

// membership is ours in the group, as Kafka's classic protocol has it: everybody
// joins; the leader gets the list of members and has it handed to all; heartbeats
// tell when to join again.
type membership struct {
	client      *kgo.Client
	group, name string
	id          string // empty: not known there
	generation  int32
}

// join waits until all have joined and returns who they are.
func (m *membership) join(ctx context.Context) ([]member, error) {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.MemberID, req.ProtocolType = m.group, m.id, protocolType
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = int32(session.Milliseconds()), int32(rejoin.Milliseconds())
	how := kmsg.NewJoinGroupRequestProtocol()
	how.Name, how.Metadata = protocol, []byte(m.name)
	req.Protocols = append(req.Protocols, how)
	resp, err := req.RequestWith(ctx, m.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if errors.Is(err, kerr.MemberIDRequired) {
		m.id = resp.MemberID
		return m.join(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("join: %w", m.refused(err))
	}
	m.id, m.generation = resp.MemberID, resp.Generation
	return m.sync(ctx, resp)
}

// sync hands the list of members to everybody, if we lead, and returns it.
func (m *membership) sync(ctx context.Context, joined *kmsg.JoinGroupResponse) ([]member, error) {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Group, req.MemberID, req.Generation = m.group, m.id, m.generation
	req.ProtocolType, req.Protocol = new(protocolType), new(protocol)
	if joined.LeaderID == m.id {
		var members []member
		for _, j := range joined.Members {
			members = append(members, member{ID: j.MemberID, Name: string(j.ProtocolMetadata)})
		}
		list := write(members)
		for _, to := range members {
			a := kmsg.NewSyncGroupRequestGroupAssignment()
			a.MemberID, a.MemberAssignment = to.ID, list
			req.GroupAssignment = append(req.GroupAssignment, a)
		}
	}
	resp, err := req.RequestWith(ctx, m.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil {
		return nil, fmt.Errorf("sync: %w", m.refused(err))
	}
	return read(resp.MemberAssignment)
}

// stay sends heartbeats until the generation ends. One that is not answered is
// followed by the next: others take over when the session has ended, and not before.
func (m *membership) stay(ctx context.Context) error {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-beat.C:
		}
		req := kmsg.NewPtrHeartbeatRequest()
		req.Group, req.MemberID, req.Generation = m.group, m.id, m.generation
		within, cancel := context.WithTimeout(ctx, session)
		resp, err := req.RequestWith(within, m.client)
		cancel()
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		if err != nil {
			return fmt.Errorf("heartbeat: %w", m.refused(err))
		}
	}
}

// refused says what an error means for our membership, and what to do about it.
func (m *membership) refused(err error) error {
	switch {
	case errors.Is(err, kerr.RebalanceInProgress), errors.Is(err, kerr.IllegalGeneration):
		return errRejoin
	case errors.Is(err, kerr.UnknownMemberID), errors.Is(err, kerr.FencedInstanceID):
		m.id = ""
		return errRejoin
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		return fmt.Errorf("%w\n  Sharing needs the right to be in this group: kafka-acls --add --allow-principal User:… --operation Read --group %s", err, m.group)
	case errors.Is(err, kerr.InconsistentGroupProtocol):
		return fmt.Errorf("%w\n  The group %s has members that are no tidemarks, or of another version: set sharing.group to a name of its own", err, m.group)
	}
	return err
}

// isFinal says whether trying again will not help.
func isFinal(err error) bool {
	return errors.Is(err, kerr.GroupAuthorizationFailed) || errors.Is(err, kerr.InconsistentGroupProtocol) || errors.Is(err, kerr.InvalidGroupID)
}

// leave lets the others take over at once. If it is not heard, they do so when the
// session has ended.
func (m *membership) leave(ctx context.Context) {
	if m.id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, heartbeat)
	defer cancel()
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group, req.MemberID = m.group, m.id
	us := kmsg.NewLeaveGroupRequestMember()
	us.MemberID = m.id
	req.Members = append(req.Members, us)
	_, _ = req.RequestWith(ctx, m.client)
}
