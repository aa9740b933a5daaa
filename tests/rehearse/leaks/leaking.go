package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// The handler does not wait for an answer that comes late, and nobody else receives it.
func forgottenReceiver() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer := make(chan string)
		go func() {
			time.Sleep(2 * time.Millisecond)
			answer <- "late" // leak: forgotten_receiver
		}()
		select {
		case text := <-answer:
			fmt.Fprintln(w, text)
		case <-time.After(time.Millisecond):
			fmt.Fprintln(w, "no answer in time")
		}
	}
}

// Nobody ever says that it is done.
func forgottenSender() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		done := make(chan struct{})
		go func() {
			<-done // leak: forgotten_sender
			log.Print("done")
		}()
		fmt.Fprintln(w, "begun")
	}
}

// A loop over a ticker does not end with the request.
func ticker() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		go func() {
			beats := 0
			ticks := time.NewTicker(20 * time.Millisecond)
			for range ticks.C { // leak: ticker
				beats++
			}
		}()
		fmt.Fprintln(w, "ticking")
	}
}

// The loop has a way out that nobody takes.
func afterInLoop() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		stop := make(chan struct{})
		go func() {
			for {
				select { // leak: after_in_loop
				case <-stop:
					return
				case <-time.After(30 * time.Millisecond):
				}
			}
		}()
		fmt.Fprintln(w, "polling")
	}
}

// What another server answers is not read, and its body not closed.
func bodyNotClosed() http.HandlerFunc {
	url := upstream()
	return func(w http.ResponseWriter, r *http.Request) {
		answer, err := http.Get(url) // leak: body_not_closed
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		fmt.Fprintln(w, answer.Status)
	}
}

// upstream is another server, whose goroutines do not stay with their connections: those would be leaked too.
func upstream() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	var open []net.Conn
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				log.Fatal(err)
			}
			open = append(open, conn)
			conn.SetDeadline(time.Now().Add(time.Second))
			go func() {
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					time.Sleep(2 * time.Millisecond)
					io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
				}
			}()
		}
	}()
	return "http://" + listener.Addr().String()
}

// Without its cancel function the context never ends.
func contextNotCancelled() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, _ := context.WithCancel(context.Background())
		go watch(ctx)
		fmt.Fprintln(w, "watched")
	}
}

func watch(ctx context.Context) {
	<-ctx.Done() // leak: context_not_cancelled
}

// Each request brings a worker of its own, whose channel is never closed.
func workerPerRequest() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		jobs := make(chan func(), 1)
		go work(jobs)
		done := make(chan struct{})
		jobs <- func() { close(done) }
		<-done
		fmt.Fprintln(w, "worked")
	}
}

func work(jobs chan func()) {
	for job := range jobs { // leak: worker_per_request
		job()
	}
}

type hub struct {
	mu          sync.Mutex
	subscribers map[chan int]bool
}

func (h *hub) subscribe() chan int {
	h.mu.Lock()
	defer h.mu.Unlock()
	events := make(chan int, 1)
	h.subscribers[events] = true
	return events
}

func (h *hub) unsubscribe(events chan int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.subscribers, events)
	close(events)
}

func (h *hub) forward(events chan int) {
	for event := range events { // leak: subscription
		log.Print(event)
	}
}

// A subscriber comes with each request, and none goes.
func subscription() http.HandlerFunc {
	h := &hub{subscribers: map[chan int]bool{}}
	return func(w http.ResponseWriter, r *http.Request) {
		go h.forward(h.subscribe())
		fmt.Fprintln(w, "subscribed")
	}
}

// Of several that are asked the first to fail decides, and the others have nobody who hears them.
func errgroup() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		results := make(chan error)
		for number := range 3 {
			go func() {
				time.Sleep(time.Duration(number) * time.Millisecond)
				results <- errors.New("failed") // leak: errgroup
			}()
		}
		fmt.Fprintln(w, <-results)
	}
}

// The reader of the log has gone, so the first line waits for it, and all others wait for the first.
func blockedLog() http.HandlerFunc {
	_, out := io.Pipe()
	audit := log.New(out, "", 0)
	return func(w http.ResponseWriter, r *http.Request) {
		go func() {
			audit.Println("asked") // leak: blocked_log
		}()
		fmt.Fprintln(w, "logged")
	}
}
