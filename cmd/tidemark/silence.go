package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark/web"
)

func silenceCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "silence",
		Short: "Keep alerts from being told for a while",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(silenceAddCommand(), silenceListCommand(), silenceExpireCommand())
	return c
}

// silence is one in the words of Alertmanager's API.
type silence struct {
	ID       string    `json:"id,omitempty"`
	Matchers []matcher `json:"matchers"`
	Begins   time.Time `json:"startsAt"`
	Ends     time.Time `json:"endsAt"`
	By       string    `json:"createdBy"`
	Why      string    `json:"comment"`
	Status   struct {
		State string `json:"state"` // active, pending, expired
	} `json:"status,omitzero"`
}

type matcher struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	IsRegex bool   `json:"isRegex"`
	IsEqual bool   `json:"isEqual"`
}

func (m matcher) String() string {
	signs := map[matcher]string{{IsEqual: true}: "=", {}: "!=", {IsEqual: true, IsRegex: true}: "=~", {IsRegex: true}: "!~"}
	return m.Name + signs[matcher{IsEqual: m.IsEqual, IsRegex: m.IsRegex}] + strconv.Quote(m.Value)
}

var matcherForm = regexp.MustCompile(`^\s*(\w+)\s*(=|!=|=~|!~)\s*"?(.*?)"?\s*$`)

// parseMatchers reads what a person types, as consumergroup=billing.
func parseMatchers(texts []string) (all []matcher, err error) {
	for _, text := range texts {
		parts := matcherForm.FindStringSubmatch(text)
		if parts == nil {
			return nil, fmt.Errorf("%q: write it like consumergroup=billing or alertname=~Kafka.*", text)
		}
		all = append(all, matcher{Name: parts[1], Value: parts[3], IsRegex: strings.HasSuffix(parts[2], "~"), IsEqual: parts[2][0] == '='})
	}
	return all, nil
}

func silenceAddCommand() *cobra.Command {
	var ask askFlags
	var why, by string
	lasts := model.Duration(time.Hour)
	c := &cobra.Command{
		Use:   "add MATCHER…",
		Short: "Silence the alerts that all matchers fit",
		Long: "Silences the alerts whose labels all matchers fit, and prints the silence's id. They go\n" +
			"on being evaluated and seen. Needs the server's token: $TIDEMARK_TOKEN.",
		Example: "  tidemark silence add consumergroup=billing --for 2h --why 'planned deploy'\n" +
			"  tidemark silence add 'alertname=~Kafka.*' cluster=main --for 30m --why 'broker upgrade'",
		Args: needs(cobra.MinimumNArgs(1), "say what to silence: tidemark silence add consumergroup=billing --for 2h --why 'planned deploy'"),
		RunE: func(c *cobra.Command, texts []string) error {
			matchers, err := parseMatchers(texts)
			if err != nil {
				return exit{exitUsage, err}
			}
			if why == "" {
				return exit{exitUsage, errors.New("say why, for whoever wonders at night: --why 'planned deploy'")}
			}
			o, err := ask.connect(c)
			if err != nil {
				return err
			}
			now := time.Now()
			wish := silence{Matchers: matchers, Begins: now, Ends: now.Add(time.Duration(lasts)), By: by, Why: why}
			var made struct{ SilenceID string }
			if err := o.act(c.Context(), http.MethodPost, "/api/v2/silences", wish, &made); err != nil {
				return err
			}
			fmt.Fprintf(c.ErrOrStderr(), "silenced until %s\n", wish.Ends.Format(time.DateTime))
			fmt.Fprintln(c.OutOrStdout(), made.SilenceID)
			return nil
		},
	}
	c.Flags().Var(&lasts, "for", "how long, as 30m, 2h or 1d")
	c.Flags().StringVar(&why, "why", "", "the reason")
	bindBy(c, &by)
	ask.bindServer(c)
	return c
}

// bindBy says who does something: by default who is signed in on this machine.
func bindBy(c *cobra.Command, by *string) {
	me := os.Getenv("USER")
	if known, err := user.Current(); me == "" && err == nil {
		me = known.Username
	}
	c.Flags().StringVar(by, "by", me, "who does this")
	c.Flags().Lookup("by").DefValue = "$USER" // the manual is the same wherever it is written
}

func silenceListCommand() *cobra.Command {
	var ask askFlags
	var output string
	c := &cobra.Command{
		Use:     "list",
		Short:   "The silences that hold, or will",
		Example: "  tidemark silence list",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o, err := ask.connect(c)
			if err != nil {
				return err
			}
			var all []silence
			return show(c, o, output, "/api/v2/silences", nil, &all, func() error { return listSilences(c, all) })
		},
	}
	ask.bindServer(c)
	bindOutput(c, &output, oneForm())
	return c
}

func listSilences(c *cobra.Command, all []silence) error {
	table := tabwriter.NewWriter(c.OutOrStdout(), 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tSTATE\tENDS IN\tBY\tWHY\tMATCHERS")
	for _, s := range all {
		if s.Status.State == "expired" {
			continue
		}
		var fits []string
		for _, m := range s.Matchers {
			fits = append(fits, m.String())
		}
		left := web.Number{Value: time.Until(s.Ends).Seconds(), Known: true}
		fmt.Fprintln(table, strings.Join([]string{s.ID, s.Status.State, span(left), cmp.Or(s.By, nothing), s.Why, strings.Join(fits, " ")}, "\t"))
	}
	return table.Flush()
}

func silenceExpireCommand() *cobra.Command {
	var ask askFlags
	c := &cobra.Command{
		Use:     "expire ID…",
		Short:   "End silences before their time",
		Long:    "Ends silences before their time. Needs the server's token: $TIDEMARK_TOKEN.",
		Example: "  tidemark silence expire 9f3c1a52-7a40-4a9e-8d5e-0f6c1b7e2d11",
		Args:    needs(cobra.MinimumNArgs(1), "name the silence's id, of tidemark silence list"),
		RunE: func(c *cobra.Command, ids []string) error {
			o, err := ask.connect(c)
			if err != nil {
				return err
			}
			for _, id := range ids {
				if _, err := o.call(c.Context(), http.MethodDelete, "/api/v2/silence/"+url.PathEscape(id), ""); err != nil {
					return err
				}
			}
			return nil
		},
	}
	ask.bindServer(c)
	return c
}
