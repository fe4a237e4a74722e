// Sends what a job has to send, once, and prints what is said: client <credentials> <conversation> <job> <count>
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// As `lanes integration add` prints it.
type credentials struct {
	App  string
	Nats struct {
		URL         string `json:"url"`
		User        string
		Password    string
		InboxPrefix string
	}
}

type answer struct {
	Accepted *struct {
		Seq      int
		Repeated bool
	}
	Refused *struct {
		Code, Message string
		Retryable     bool
	}
	Errors []struct {
		Message    string
		Extensions struct {
			Code      string
			Retryable bool
		}
	}
}

type event struct {
	Type           string
	ConversationID string `json:"conversationId"`
	Seq            int
	Message        *struct{ Text string }
}

const (
	answerTime = 5 * time.Second
	again      = 500 * time.Millisecond
)

func main() {
	if len(os.Args) != 5 {
		log.Fatal("client <credentials> <conversation> <job> <count>")
	}
	file, err := os.ReadFile(os.Args[1])
	check(err)
	var who credentials
	check(json.Unmarshal(file, &who))
	count, err := strconv.Atoi(os.Args[4])
	check(err)
	nc, err := nats.Connect(who.Nats.URL,
		nats.UserInfo(who.Nats.User, who.Nats.Password),
		// Without the prefix no answer comes.
		nats.CustomInboxPrefix(who.Nats.InboxPrefix),
		nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true))
	check(err)
	go read(nc, who.App)
	send(nc, who.App, os.Args[2], os.Args[3], count)
	select {}
}

func send(nc *nats.Conn, app, conversation, job string, count int) {
	for n := 1; n <= count; n++ {
		// The same job again has the same keys, and each key is one message, for ever.
		body, err := json.Marshal(map[string]string{
			"conversationId": conversation,
			"clientKey":      fmt.Sprintf("%s-%d", job, n),
			"text":           fmt.Sprintf("%s %d", job, n),
		})
		check(err)
		reply := ask(nc, fmt.Sprintf("chat.app.%s.cmd.send", app), body)
		if reply.Accepted == nil {
			log.Fatalf("not sent: %+v %+v", reply.Refused, reply.Errors)
		}
		suffix := ""
		if reply.Accepted.Repeated {
			suffix = " again"
		}
		fmt.Printf("accepted %d %d%s\n", n, reply.Accepted.Seq, suffix)
	}
}

// Asks until there is an answer that stays. What was not answered may have been done: the key tells.
func ask(nc *nats.Conn, subject string, body []byte) answer {
	for ; ; time.Sleep(again) {
		message, err := nc.Request(subject, body, answerTime)
		if err != nil {
			continue
		}
		var reply answer
		check(json.Unmarshal(message.Data, &reply))
		isPassing := len(reply.Errors) > 0 && reply.Errors[0].Extensions.Retryable
		if isPassing || (reply.Refused != nil && reply.Refused.Retryable) {
			continue
		}
		return reply
	}
}

func read(nc *nats.Conn, app string) {
	js, err := jetstream.New(nc)
	check(err)
	for ; ; time.Sleep(again) {
		ctx, cancel := context.WithTimeout(context.Background(), answerTime)
		consumer, err := js.CreateOrUpdateConsumer(ctx, "APP_"+app, jetstream.ConsumerConfig{
			Durable:       "example",
			FilterSubject: fmt.Sprintf("chat.app.%s.event.>", app),
			DeliverPolicy: jetstream.DeliverAllPolicy,
			AckPolicy:     jetstream.AckExplicitPolicy,
			AckWait:       10 * time.Second,
			// An event comes when the one before it is done: in order, whatever happens.
			MaxAckPending: 1,
		})
		cancel()
		if err != nil {
			continue // The stream is made when the bridge first hears of the integration.
		}
		messages, err := consumer.Messages(jetstream.PullExpiry(5 * time.Second))
		check(err)
		for {
			message, err := messages.Next()
			if err != nil {
				break
			}
			var one event
			check(json.Unmarshal(message.Data(), &one))
			text := ""
			if one.Message != nil {
				text = one.Message.Text
			}
			fmt.Printf("got %s %d %s %s\n", one.ConversationID, one.Seq, one.Type, text)
			if err := message.Ack(); err != nil {
				log.Print(err)
			}
		}
		messages.Stop()
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
